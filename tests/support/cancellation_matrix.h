#pragma once

// Cancels one awaitable in every way there is. A case says how the awaitable is made, completed and
// accounted for; the matrix multiplies it:
//
//   when    the request is there before the wait; it comes while the task waits; in the moment of
//           the completion, in both orders; after it
//   who     asks: a task on the same worker, one on another worker, a thread that is no worker
//   limit   passes before the completion, after it, and at the same instant
//
// In each cell the case counts what it owns (permits, items, bytes, wake-ups): a wait that was
// completed has taken its share, one that was not has taken nothing. And the request itself is
// delivered exactly once, by the wait or by the next suspension after it.
//
//   struct semaphore_acquire {
//     semaphore permits{0};
//     permit got;
//     task<> attempt(auto how) { got = co_await how(permits.acquire()); }   // how: bare, or limited
//     void complete() { permits.release(); }                                // any thread
//     void check(bool completed) { EXPECT_EQ(got.count(), completed ? 1 : 0); ... }
//   };
//
// A case may also have: set_up(), before the attempt; line_up(), once it waits (both task<>); a
// check() that is a task<>; `traits`, where it is not like most; `due`, if time completes it.

#include "../sync/every_runtime.h"
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/clock.h>
#include <weft/runtime/detail/task_state.h>
#include <weft/runtime/metrics.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/test_runtime.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::testing {

// ---- Cases --------------------------------------------------------------------------------------

/// What is special about a case.
struct case_traits {
  bool ends_when_cancelled = true;    // else a cancelled wait goes on until its completion
  bool throws_when_cancelled = true;  // else it may give what it has, and the request stays
  bool completed_in_one_step = true;  // else complete() only begins what completes it
  bool passes_requests_on = false;    // to a task: the request may be spent there
  bool waits = true;                  // else it is over at once, or nobody can tell
  bool has_virtual_time = true;       // else it needs a real clock
  std::size_t rounds = 160;           // of a race
};

/// `co_await how(operation)`: as it is.
struct bare {
  template <class A>
  A&& operator()(A&& awaited) const noexcept {
    return static_cast<A&&>(awaited);
  }
};
/// ... with a limit.
struct limited {
  clock::duration limit;
  template <class A>
  auto operator()(A&& awaited) const {
    return wait_for(std::forward<A>(awaited), limit);
  }
};

/// A case of any type.
class specimen {
 public:
  specimen() = default;
  specimen(const specimen&) = delete;
  specimen& operator=(const specimen&) = delete;
  virtual ~specimen() = default;

  virtual void set_due(clock::time_point when) = 0;
  virtual task<> set_up() = 0;
  virtual task<> attempt(std::optional<clock::duration> limit) = 0;
  virtual task<> line_up() = 0;
  virtual void complete() = 0;
  virtual task<> check(bool completed) = 0;
};

template <class Case>
class specimen_of final : public specimen {
 public:
  void set_due(clock::time_point when) override {
    if constexpr (requires { case_.due = when; }) case_.due = when;
  }
  task<> set_up() override {
    if constexpr (requires { case_.set_up(); }) co_await case_.set_up();
    co_return;
  }
  task<> attempt(std::optional<clock::duration> limit) override {
    if (limit) return case_.attempt(limited{*limit});
    return case_.attempt(bare{});
  }
  task<> line_up() override {
    if constexpr (requires { case_.line_up(); }) co_await case_.line_up();
    co_return;
  }
  void complete() override {
    if constexpr (requires { case_.complete(); }) case_.complete();
  }
  task<> check(bool completed) override {
    if constexpr (std::is_void_v<decltype(case_.check(completed))>) {
      case_.check(completed);
      co_return;
    } else {
      co_await case_.check(completed);
    }
  }

 private:
  Case case_;
};

struct matrix_case {
  const char* name;
  case_traits traits;
  bool completed_by_time;
  std::unique_ptr<specimen> (*make)();
};

/// `case_of<semaphore_acquire>("SemaphoreAcquire")`.
template <class Case>
matrix_case case_of(const char* name) {
  case_traits traits;
  if constexpr (requires { Case::traits; }) traits = Case::traits;
  constexpr bool by_time = requires(Case& it, clock::time_point when) { it.due = when; };
  const auto make = []() -> std::unique_ptr<specimen> {
    return std::make_unique<specimen_of<Case>>();
  };
  return {name, traits, by_time, make};
}

// ---- The task that is cancelled -----------------------------------------------------------------

enum class fate : std::uint8_t { pending, completed, cancelled, timed_out, failed };

inline std::ostream& operator<<(std::ostream& out, fate how) {
  constexpr const char* names[] = {"pending", "completed", "cancelled", "timed out", "failed"};
  return out << names[static_cast<std::size_t>(how)];
}

/// What became of one attempt.
struct record {
  event begin;                // set: the attempt may begin
  bool stands_still = false;  // before the attempt, until `asked`: the request finds it running
  std::optional<clock::time_point> limit;
  cancel_scope* scope = nullptr;  // if there is one, its end is a limit
  event asked;                    // set: the request was made
  event over;                     // the attempt has ended
  fate how = fate::pending;       // ... in this way; read after `over`
  clock::time_point when;         // ... at this time
  std::exception_ptr failure;
  int requests_later = 0;  // how many were delivered after it
};

/// What it has failed with, or nothing.
inline std::string failure_of(const record& kept) {
  try {
    if (kept.failure != nullptr) std::rethrow_exception(kept.failure);
  } catch (const std::exception& error) {
    return std::string(": ") + error.what();
  } catch (...) {  // another type
    return ": no std::exception";
  }
  return "";
}

/// Makes the attempt, then suspends again until a request was made, and once more: what the attempt
/// has not taken for itself is delivered there.
inline task<> attempt_once(specimen& it, record& kept) {
  co_await kept.begin.wait();
  while (kept.stands_still && !kept.asked.is_set()) std::this_thread::yield();
  std::optional<clock::duration> limit;
  if (kept.limit) limit = *kept.limit - clock::now();
  try {
    if (kept.scope == nullptr) {
      co_await it.attempt(limit);
      kept.how = fate::completed;
    } else {
      const auto attempt = [&it]() -> task<> { co_await it.attempt({}); };
      const bool completed = co_await with_cancel_scope(*kept.scope, attempt);
      kept.how = completed ? fate::completed : fate::timed_out;
    }
  } catch (const cancelled_error&) {
    kept.how = fate::cancelled;
  } catch (const timeout_error&) {
    kept.how = fate::timed_out;
  } catch (...) {  // no case expects another one
    kept.how = fate::failed;
    kept.failure = std::current_exception();
  }
  kept.when = clock::now();
  kept.over.set();
  try {
    co_await kept.asked.wait();
    co_await yield();
  } catch (const cancelled_error&) {
    ++kept.requests_later;
  }
}

// ---- Who asks -----------------------------------------------------------------------------------

enum class asker : std::uint8_t { same_worker, another_worker, foreign_thread };

/// A thread that knows nothing of a runtime and calls what it is given.
class foreign_thread {
 public:
  foreign_thread() : thread_([this] { serve(); }) {}
  foreign_thread(const foreign_thread&) = delete;
  foreign_thread& operator=(const foreign_thread&) = delete;
  ~foreign_thread() {
    hand_over(nullptr);
    thread_.join();
  }

  /// Requires: it has done what it was given before.
  void hand_over(std::function<void()> f) {
    done_.clear();
    next_ = std::move(f);
    full_ = true;
    full_.notify_one();
  }
  task<> done() { co_await done_.wait(); }

 private:
  void serve() {
    for (bool more = true; more;) {
      full_.wait(false);
      full_ = false;
      more = next_ != nullptr;
      if (more) std::exchange(next_, nullptr)();
      done_.set();
    }
  }

  std::function<void()> next_;  // the thread's while full_, and until done_
  std::atomic<bool> full_{false};
  event done_;
  std::thread thread_;
};

/// Calls functions where `who` says. The rounds run on worker 0, so another worker is number 1.
class elsewhere {
 public:
  explicit elsewhere(asker who) : who_(who) {
    if (who == asker::foreign_thread) thread_.emplace();
  }

  void begin(std::function<void()> f) {
    if (who_ == asker::foreign_thread) return thread_->hand_over(std::move(f));
    const auto call = [](std::function<void()> function) -> task<> {
      function();
      co_return;
    };
    task_ = spawn_on(who_ == asker::another_worker ? 1 : 0, call, std::move(f));
  }
  task<> ended() {
    if (who_ == asker::foreign_thread) co_return co_await thread_->done();
    co_await std::exchange(task_, {});
  }

 private:
  asker who_;
  std::optional<foreign_thread> thread_;
  join_handle<> task_;
};

// ---- Cells --------------------------------------------------------------------------------------

enum class moment : std::uint8_t { before_the_wait, before_completion, at_completion, after };
enum class limit_moment : std::uint8_t { before, after, same_instant, same_step, race };

struct cancellation_cell {
  matrix_case subject;
  moment when;
  asker who;
};
struct limit_cell {
  matrix_case subject;
  limit_moment when;
};

inline std::string cell_name(const ::testing::TestParamInfo<cancellation_cell>& info) {
  constexpr const char* moments[] = {"_BeforeTheWait", "_BeforeCompletion", "_AtCompletion",
                                     "_AfterCompletion"};
  constexpr const char* askers[] = {"_FromTheSameWorker", "_FromAnotherWorker",
                                    "_FromAForeignThread"};
  return info.param.subject.name + std::string(moments[static_cast<std::size_t>(info.param.when)]) +
         askers[static_cast<std::size_t>(info.param.who)];
}
inline std::string limit_name(const ::testing::TestParamInfo<limit_cell>& info) {
  constexpr const char* moments[] = {"_LimitBeforeCompletion", "_CompletionBeforeLimit",
                                     "_LimitAtCompletion", "_ScopeEndsAtCompletion",
                                     "_LimitMeetsCompletion"};
  return info.param.subject.name + std::string(moments[static_cast<std::size_t>(info.param.when)]);
}

inline std::vector<cancellation_cell> cancellation_cells(const std::vector<matrix_case>& cases) {
  std::vector<cancellation_cell> cells;
  for (const matrix_case& each : cases) {
    for (const moment when : {moment::before_the_wait, moment::before_completion,
                              moment::at_completion, moment::after}) {
      if (when == moment::before_completion && !each.traits.waits) continue;
      for (const asker who : {asker::same_worker, asker::another_worker, asker::foreign_thread})
        cells.push_back({each, when, who});
    }
  }
  return cells;
}
inline std::vector<limit_cell> limit_cells(const std::vector<matrix_case>& cases) {
  std::vector<limit_cell> cells;
  for (const matrix_case& each : cases) {
    for (const limit_moment when :
         {limit_moment::before, limit_moment::after, limit_moment::same_instant,
          limit_moment::same_step, limit_moment::race}) {
      if (each.traits.waits && (each.traits.has_virtual_time || when >= limit_moment::same_step))
        cells.push_back({each, when});
    }
  }
  return cells;
}

// ---- One round ----------------------------------------------------------------------------------

/// Random numbers of a cell: WEFT_TEST_SEED and its name decide.
inline std::mt19937_64 random_for(const std::string& cell) {
  static const std::uint64_t seed = stress_seed();
  return std::mt19937_64(seed ^ std::hash<std::string>()(cell));
}

/// How a round is played, drawn before it.
struct round_plan {
  bool virtual_time = false;
  std::optional<std::size_t> worker;  // of the attempt; none: any
  bool cancel_first = false;          // where both are done on one worker
  std::size_t steps_between = 0;      // ... and how often others run between them
  bool swapped = false;               // the completion comes from elsewhere, the request from here
  unsigned delay_here = 0, delay_there = 0;
};

inline std::ostream& operator<<(std::ostream& out, const round_plan& plan) {
  return out << (plan.virtual_time ? "virtual time" : "real time") << ", attempt on worker "
             << (plan.worker ? std::to_string(*plan.worker) : "any")
             << (plan.cancel_first ? ", request first" : ", completion first") << ", "
             << plan.steps_between << " steps between"
             << (plan.swapped ? ", completed from elsewhere" : "") << ", spins " << plan.delay_here
             << "/" << plan.delay_there;
}

/// With so many workers; 0: one, in virtual time.
inline round_plan draw_plan(std::mt19937_64& random, std::size_t round, std::size_t workers) {
  // Delays from nothing to some microseconds, the short ones as often as the long ones.
  const auto delay = [&random] {
    constexpr unsigned longest[] = {4, 64, 512, 4096};
    return static_cast<unsigned>(random() % longest[random() % 4]);
  };
  round_plan plan;
  plan.virtual_time = workers == 0;
  if (workers > 1) {
    const std::optional<std::size_t> places[] = {0, 0, 0, 0, {}, {}, 1, 2};
    plan.worker = places[random() % 8];
  }
  plan.cancel_first = round % 2 == 1;
  plan.swapped = round % 4 >= 2;
  plan.steps_between = round / 2 % 4;
  plan.delay_here = delay();
  plan.delay_there = delay();
  return plan;
}

inline void spin(unsigned count) {
  for (volatile unsigned i = 0; i < count;) i = i + 1;
}

/// Lets others run until the attempt waits, or is over. (all_tasks() looks through all memory.)
inline task<> until_it_waits(const join_handle<>& attempt, const record& kept) {
  while (!kept.over.is_set() && !detail::is_suspended(*attempt.state())) co_await yield();
}

inline task<> steps(std::size_t count) {
  for (; count > 0; --count) co_await yield();
}

inline void spin_until(const std::atomic<bool>& flag) {
  for (unsigned looks = 1; !flag; ++looks) {
    if (looks % 32768 == 0) std::this_thread::yield();
  }
}

template <class F>
join_handle<task_value_t<F>> spawn_at(std::optional<std::size_t> worker, F f) {
  if (worker) return spawn_on(*worker, std::move(f));
  return spawn(std::move(f));
}

/// Time completes a case at `due`, all others complete() does.
inline void complete_now(const matrix_case& subject, specimen& it, clock::time_point due) {
  while (subject.completed_by_time && clock::now() < due) std::this_thread::yield();
  it.complete();
}
inline task<> complete(const matrix_case& subject, specimen& it, clock::time_point due,
                       const round_plan& plan) {
  if (subject.completed_by_time && plan.virtual_time) co_await sleep(due - clock::now());
  complete_now(subject, it, due);
}

/// The request meets the completion: one of them here, the other elsewhere.
inline task<> race(const std::function<void()>& ask, const std::function<void()>& complete_it,
                   const round_plan& plan, elsewhere& other) {
  std::atomic<bool> there{false}, go{false};
  other.begin([&] {
    there = true;
    spin_until(go);
    spin(plan.delay_there);
    plan.swapped ? complete_it() : ask();
  });
  co_await yield();  // a worker tells others what it has for them when a step ends
  spin_until(there);
  go = true;
  spin(plan.delay_here);
  plan.swapped ? ask() : complete_it();
  co_await other.ended();
}

/// ... unless its time is a day away, because the request had to come before.
inline task<> complete_if_due(const cancellation_cell& cell, specimen& it, clock::time_point due,
                              const round_plan& plan) {
  if (plan.virtual_time || !cell.subject.completed_by_time)
    co_await complete(cell.subject, it, due, plan);
}

/// When time completes the case: soon, but not before the request that has to come before.
inline clock::time_point due_of(const cancellation_cell& cell, const round_plan& plan) {
  using namespace std::chrono_literals;
  const bool early_request =
      cell.when == moment::before_the_wait || cell.when == moment::before_completion;
  if (plan.virtual_time) return clock::now() + 10ms;
  return clock::now() + (early_request ? clock::duration(24h) : clock::duration(60us));
}

/// What the cell says about one round, beside what the case counts.
inline void judge(const cancellation_cell& cell, const round_plan& plan, const record& kept) {
  const case_traits& traits = cell.subject.traits;
  const bool completed = kept.how == fate::completed;
  EXPECT_TRUE(completed || kept.how == fate::cancelled) << kept.how << failure_of(kept);
  const bool in_one_step = cell.when == moment::at_completion && cell.who == asker::same_worker &&
                           traits.waits && traits.completed_in_one_step &&
                           (plan.virtual_time || !cell.subject.completed_by_time);
  if (cell.when == moment::after || (in_one_step && !plan.cancel_first))
    EXPECT_TRUE(completed) << "the request came after the completion";
  const bool early_request =
      cell.when == moment::before_the_wait || cell.when == moment::before_completion;
  if ((early_request || (in_one_step && plan.cancel_first)) && traits.ends_when_cancelled &&
      traits.throws_when_cancelled)
    EXPECT_FALSE(completed) << "the request came before the completion";
  if (!completed) EXPECT_EQ(kept.requests_later, 0) << "one request was delivered twice";
  if (completed && !traits.passes_requests_on)
    EXPECT_EQ(kept.requests_later, 1) << "the request was lost";
}

inline task<> play(const cancellation_cell& cell, const round_plan& plan, elsewhere& other) {
  const case_traits& traits = cell.subject.traits;
  const std::unique_ptr<specimen> it = cell.subject.make();
  const clock::time_point due = due_of(cell, plan);
  it->set_due(due);
  co_await it->set_up();
  record kept;
  // A task that stands still until worker 1 has asked must not stand there.
  const bool waits_for_another =
      cell.when == moment::before_the_wait && cell.who == asker::another_worker;
  const std::optional<std::size_t> worker =
      waits_for_another ? std::optional<std::size_t>(0) : plan.worker;
  auto attempt = spawn_at(worker, [&]() -> task<> { co_await attempt_once(*it, kept); });
  const std::function<void()> ask = [&] {
    EXPECT_TRUE(attempt.cancel());
    kept.asked.set();
  };
  const auto ask_elsewhere = [&]() -> task<> {
    other.begin(ask);
    co_await other.ended();
  };

  // It has begun, and waits to make its attempt: a task that was cancelled earlier never does.
  if (cell.when == moment::before_the_wait || !traits.waits) co_await until_it_waits(attempt, kept);
  if (cell.when == moment::before_the_wait) {
    kept.stands_still = true;
    kept.begin.set();
    // In this very step, if the asker is here; else the task stands still meanwhile.
    if (cell.who == asker::same_worker) {
      ask();
    } else {
      co_await ask_elsewhere();
    }
    if (traits.ends_when_cancelled) co_await kept.over.wait();
    co_await it->line_up();
    co_await complete_if_due(cell, *it, due, plan);
  } else {
    kept.begin.set();
    if (traits.waits) co_await until_it_waits(attempt, kept);
    co_await it->line_up();
  }
  if (cell.when == moment::before_completion) {
    co_await ask_elsewhere();
    if (traits.ends_when_cancelled) co_await kept.over.wait();
    co_await complete_if_due(cell, *it, due, plan);
  } else if (cell.when == moment::at_completion && cell.who != asker::same_worker) {
    co_await race(ask, [&] { complete_now(cell.subject, *it, due); }, plan, other);
  } else if (cell.when == moment::at_completion) {
    if (plan.cancel_first) ask();
    if (plan.cancel_first) co_await steps(plan.steps_between);
    co_await complete(cell.subject, *it, due, plan);
    if (!plan.cancel_first) co_await steps(plan.steps_between);
    if (!plan.cancel_first) ask();
  } else if (cell.when == moment::after) {
    co_await complete(cell.subject, *it, due, plan);
    co_await kept.over.wait();
    co_await ask_elsewhere();
  }
  co_await attempt;

  judge(cell, plan, kept);
  co_await it->check(kept.how == fate::completed);
}

/// What the cell says about one round, beside what the case counts.
inline void judge(const limit_cell& cell, const round_plan& plan, const record& kept) {
  const case_traits& traits = cell.subject.traits;
  const bool completed = kept.how == fate::completed;
  EXPECT_TRUE(completed || kept.how == fate::timed_out) << kept.how << failure_of(kept);
  const bool in_one_step = cell.when == limit_moment::same_step && traits.completed_in_one_step;
  if (cell.when == limit_moment::after || (in_one_step && !plan.cancel_first))
    EXPECT_TRUE(completed) << "the limit came after the completion";
  const bool early = cell.when == limit_moment::before || (in_one_step && plan.cancel_first);
  if (early && traits.ends_when_cancelled && traits.throws_when_cancelled)
    EXPECT_FALSE(completed) << "the limit came before the completion";
  EXPECT_EQ(kept.requests_later, 0) << "the limit has left a request";
}

/// A limit that can be made to pass in the very step of the completion: a cancel scope.
inline task<> end_scope_at_completion(const limit_cell& cell, specimen& it, clock::time_point due,
                                      record& kept, const round_plan& plan) {
  cancel_scope scope;
  kept.scope = &scope;
  kept.begin.set();
  auto attempt = spawn([&]() -> task<> { co_await attempt_once(it, kept); });
  co_await until_it_waits(attempt, kept);
  co_await it.line_up();
  if (plan.cancel_first) scope.cancel();
  if (plan.cancel_first) co_await steps(plan.steps_between);
  co_await complete(cell.subject, it, due, plan);
  if (!plan.cancel_first) co_await steps(plan.steps_between);
  if (!plan.cancel_first) scope.cancel();
  co_await attempt;
}

/// A limit and the completion, each at its time.
inline task<> meet_limit(const limit_cell& cell, specimen& it, clock::time_point due, record& kept,
                         const round_plan& plan) {
  using namespace std::chrono_literals;
  const auto complete_then = [&]() -> task<> {
    if (plan.virtual_time) co_await sleep(due - clock::now());
    const clock::time_point moment = plan.virtual_time ? due : due + plan.delay_here * 40ns;
    while (clock::now() < moment) std::this_thread::yield();
    it.complete();
  };
  // Which timer is armed first decides who is first at the same instant.
  join_handle<> completer;
  const bool completer_first = !plan.cancel_first && plan.virtual_time;
  if (completer_first) {
    completer = spawn(complete_then);
    co_await until_waiting(completer);
  }
  kept.begin.set();
  auto attempt = spawn_at(plan.worker, [&]() -> task<> { co_await attempt_once(it, kept); });
  co_await until_it_waits(attempt, kept);
  co_await it.line_up();
  if (!completer_first) completer = spawn(complete_then);
  co_await attempt;
  co_await completer;
}

inline task<> play(const limit_cell& cell, const round_plan& plan) {
  using namespace std::chrono_literals;
  const std::unique_ptr<specimen> it = cell.subject.make();
  const clock::duration unit = plan.virtual_time ? clock::duration(10ms) : clock::duration(200us);
  const clock::time_point start = clock::now();
  clock::time_point due = start + (cell.when == limit_moment::before ? 2 * unit : unit);
  it->set_due(due);
  co_await it->set_up();
  if (!plan.virtual_time && !cell.subject.completed_by_time) due = clock::now() + unit;
  record kept;
  kept.asked.set();  // by nobody

  if (cell.when == limit_moment::same_step) {
    co_await end_scope_at_completion(cell, *it, due, kept, plan);
  } else {
    kept.limit = cell.when == limit_moment::race    ? due
                 : cell.when == limit_moment::after ? start + 2 * unit
                                                    : start + unit;
    co_await meet_limit(cell, *it, due, kept, plan);
  }

  judge(cell, plan, kept);
  const bool goes_on =
      cell.when == limit_moment::before && !cell.subject.traits.ends_when_cancelled;
  if (plan.virtual_time && kept.limit) EXPECT_EQ(kept.when - start, goes_on ? 2 * unit : unit);
  co_await it->check(kept.how == fate::completed);
}

// ---- All rounds of a cell -----------------------------------------------------------------------

inline void expect_nothing_left() {
  const ledger left = take_ledger();
  EXPECT_EQ(left.tasks, 0);
  EXPECT_EQ(left.frames, 0);
  EXPECT_EQ(left.timers, 0);
  EXPECT_EQ(left.waiters, 0);
  EXPECT_EQ(left.registrations, 0);
  EXPECT_EQ(left.fds, 0);
}

/// Plays `rounds` on a runtime with so many workers, 0 for one in virtual time, until one fails.
template <class F>
void play_rounds(std::size_t workers, std::size_t rounds, std::mt19937_64& random, F play_round) {
  const auto all = [&]() -> task<> {
    for (std::size_t round = 0; round < rounds && !::testing::Test::HasFailure(); ++round) {
      const round_plan plan = draw_plan(random, round, workers);
      co_await play_round(plan);
      if (::testing::Test::HasFailure()) ADD_FAILURE() << "in round " << round << ": " << plan;
    }
  };
  const auto on_the_first = [&]() -> task<> { co_await spawn_on(0, all); };
  if (workers == 0) {
    test_runtime().run(on_the_first);
  } else {
    weft::run(on_the_first, {.workers = workers});
  }
  expect_nothing_left();
}

inline void play_all(const cancellation_cell& cell) {
  std::mt19937_64 random = random_for(cell_name({cell, 0}));
  elsewhere other(cell.who);
  const auto play_round = [&](const round_plan& plan) { return play(cell, plan, other); };
  const bool races = cell.when == moment::at_completion && cell.who != asker::same_worker;
  const std::size_t rounds = races ? cell.subject.traits.rounds : 8;
  switch (cell.who) {
    case asker::same_worker:
      if (cell.subject.traits.has_virtual_time) play_rounds(0, rounds, random, play_round);
      return play_rounds(1, rounds, random, play_round);
    case asker::another_worker:
      return play_rounds(4, rounds, random, play_round);
    case asker::foreign_thread:
      play_rounds(1, (rounds + 1) / 2, random, play_round);
      return play_rounds(4, (rounds + 1) / 2, random, play_round);
  }
}
inline void play_all(const limit_cell& cell) {
  std::mt19937_64 random = random_for(limit_name({cell, 0}));
  const auto play_round = [&](const round_plan& plan) { return play(cell, plan); };
  if (cell.when == limit_moment::race)
    return play_rounds(4, (cell.subject.traits.rounds + 3) / 4, random, play_round);
  play_rounds(cell.subject.traits.has_virtual_time ? 0 : 1, 8, random, play_round);
}

}  // namespace weft::testing
