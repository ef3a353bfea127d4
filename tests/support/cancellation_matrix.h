#pragma once

// Cancels one awaitable in every way there is:
//
//   when    the request is there before the wait; it comes while the task waits; in the moment of
//           the completion, in both orders; after it
//   who     asks: a task on the same worker, one on another worker, a thread that is no worker
//   limit   passes before the completion, after it, at the same instant, in the same step
//
// In each cell the case counts what it owns (permits, items, bytes, wake-ups): a wait that was
// completed has taken its share, one that was not has taken nothing. And the request itself is
// delivered exactly once, by the wait or by the next suspension after it.
//
// On one worker both orders are played step by step. Where two threads meet, some hundred rounds
// are raced, with delays that WEFT_TEST_SEED decides.

#include "cancellation_case.h"
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/clock.h>
#include <weft/runtime/detail/task_state.h>
#include <weft/runtime/metrics.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/test_runtime.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sched.h>

namespace weft::testing {

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
      const bool possible = each.traits.has_virtual_time || when != limit_moment::same_instant;
      if (each.traits.waits && possible) cells.push_back({each, when});
    }
  }
  return cells;
}

// ---- What happens in a round --------------------------------------------------------------------

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
  // Where a completion takes its time: how much later the request is made, or the limit passes.
  clock::duration later{0};
};

inline std::ostream& operator<<(std::ostream& out, const round_plan& plan) {
  return out << (plan.virtual_time ? "virtual time" : "real time") << ", attempt on worker "
             << (plan.worker ? std::to_string(*plan.worker) : "any")
             << (plan.cancel_first ? ", request first" : ", completion first") << ", "
             << plan.steps_between << " steps between"
             << (plan.swapped ? ", completed from elsewhere" : "") << ", delays " << plan.delay_here
             << "/" << plan.delay_there << ", later " << plan.later.count() << " ns";
}

/// With so many workers; 0: one, in virtual time.
inline round_plan draw_plan(std::mt19937_64& random, std::size_t round, std::size_t workers) {
  // Delays from nothing to some microseconds, the short ones as often as the long ones.
  const auto delay = [&random] {
    constexpr unsigned longest[] = {4, 32, 256, 4096};
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
inline void spin_until(clock::time_point when) {
  for (unsigned looks = 1; clock::now() < when; ++looks) {
    if (looks % 4096 == 0) std::this_thread::yield();
  }
}
inline task<> steps(std::size_t count) {
  for (; count > 0; --count) co_await yield();
}
/// Lets others run until the attempt waits, or is over. (all_tasks() looks through all memory.)
inline task<> until_it_waits(const join_handle<>& attempt, const record& kept) {
  while (!kept.over.is_set() && !detail::is_suspended(*attempt.state())) co_await yield();
}

template <class F>
join_handle<task_value_t<F>> spawn_at(std::optional<std::size_t> worker, F f) {
  if (worker) return spawn_on(*worker, std::move(f));
  return spawn(std::move(f));
}

// ---- A request ----------------------------------------------------------------------------------

/// One attempt that is cancelled, from its begin to the count of what is left.
class cancelled_attempt {
 public:
  cancelled_attempt(const cancellation_cell& cell, const round_plan& plan)
      : cell_(cell), plan_(plan), it_(cell.subject.make()), due_(clock::now() + time_until_due()) {
    it_->set_due(due_);
  }

  /// Up to the wait.
  task<> begin() {
    co_await it_->set_up();
    attempt_ = spawn_at(plan_.worker, [this]() -> task<> { co_await attempt_once(*it_, kept_); });
    // It has begun, and waits to make its attempt: a task that is cancelled earlier never does.
    if (asked_early() || !traits().waits) co_await until_it_waits(attempt_, kept_);
    kept_.stands_still = asked_early();
    kept_.begin.set();
    if (asked_early()) co_return;
    if (traits().waits) co_await until_it_waits(attempt_, kept_);
    co_await it_->line_up();
  }
  /// Any thread.
  void ask() {
    EXPECT_TRUE(attempt_.cancel());
    kept_.asked.set();
  }
  void complete_now() { it_->complete(); }
  task<> complete() {
    if (!cell_.subject.completed_by_time) co_return it_->complete();
    if (plan_.virtual_time) co_await sleep(due_ - clock::now());
    if (!plan_.virtual_time && !asked_before_completion()) spin_until(due_);
  }
  /// Where two threads meet: from now on, or from the time that completes the case.
  [[nodiscard]] clock::time_point race_begin() const {
    return cell_.subject.completed_by_time ? due_ : clock::now();
  }
  [[nodiscard]] bool completed() const { return kept_.how == fate::completed; }
  /// It was asked, before it was completed.
  task<> complete_afterwards() {
    if (traits().ends_when_cancelled) co_await kept_.over.wait();
    if (asked_early()) co_await it_->line_up();
    if (traits().ends_when_cancelled) it_->check_given_up();
    co_await complete();
  }
  task<> until_over() { co_await kept_.over.wait(); }

  /// It was asked and completed.
  task<> end() {
    co_await attempt_;
    judge();
    co_await it_->check(kept_.how == fate::completed);
    if (::testing::Test::HasFailure()) ADD_FAILURE() << "in a round with " << plan_;
  }
  [[nodiscard]] const round_plan& plan() const { return plan_; }

 private:
  [[nodiscard]] const case_traits& traits() const { return cell_.subject.traits; }
  [[nodiscard]] bool asked_early() const { return cell_.when == moment::before_the_wait; }
  [[nodiscard]] bool asked_before_completion() const {
    return asked_early() || cell_.when == moment::before_completion;
  }
  /// Soon; a day in real time, if the request has to come before.
  [[nodiscard]] clock::duration time_until_due() const {
    using namespace std::chrono_literals;
    if (plan_.virtual_time) return 10ms;
    return asked_before_completion() ? clock::duration(24h) : clock::duration(60us);
  }
  void judge() const {
    const bool completed = kept_.how == fate::completed;
    EXPECT_TRUE(completed || kept_.how == fate::cancelled) << kept_.how << failure_of(kept_);
    const bool in_order = cell_.when == moment::at_completion && cell_.who == asker::same_worker &&
                          traits().waits && traits().completed_in_one_step &&
                          (plan_.virtual_time || !cell_.subject.completed_by_time);
    if (cell_.when == moment::after || (in_order && !plan_.cancel_first))
      EXPECT_TRUE(completed) << "the request came after the completion";
    if ((asked_before_completion() || (in_order && plan_.cancel_first)) && traits().obeys())
      EXPECT_FALSE(completed) << "the request came before the completion";
    if (!completed) EXPECT_EQ(kept_.requests_later, 0) << "one request was delivered twice";
    if (completed && !traits().passes_requests_on)
      EXPECT_EQ(kept_.requests_later, 1) << "the request was lost";
  }

  const cancellation_cell& cell_;
  const round_plan plan_;
  const std::unique_ptr<specimen> it_;
  const clock::time_point due_;
  record kept_;
  join_handle<> attempt_;
};

inline task<> play(const cancellation_cell& cell, round_plan plan, elsewhere& other) {
  // A task that stands still until worker 1 has asked must not stand there.
  if (cell.when == moment::before_the_wait && cell.who == asker::another_worker) plan.worker = 0;
  cancelled_attempt attempt(cell, plan);
  const auto ask_elsewhere = [&]() -> task<> {
    other.begin([&] { attempt.ask(); });
    co_await other.ended();
  };
  co_await attempt.begin();
  if (cell.when == moment::before_the_wait && cell.who == asker::same_worker) {
    attempt.ask();  // in this very step: else it would not stand still, but wait already
    co_await attempt.complete_afterwards();
  } else if (cell.when == moment::before_the_wait || cell.when == moment::before_completion) {
    co_await ask_elsewhere();
    co_await attempt.complete_afterwards();
  } else if (cell.when == moment::after) {
    co_await attempt.complete();
    co_await attempt.until_over();
    co_await ask_elsewhere();
  } else if (plan.cancel_first) {
    attempt.ask();
    co_await steps(plan.steps_between);
    co_await attempt.complete();
  } else {
    co_await attempt.complete();
    co_await steps(plan.steps_between);
    attempt.ask();
  }
  co_await attempt.end();
}

/// Finds out how much later than the begin of a completion something has to happen to meet its end.
class meeting_point {
 public:
  explicit meeting_point(clock::duration first) : later_(first) {}
  [[nodiscard]] clock::duration draw(std::mt19937_64& random) const {
    return later_ * static_cast<std::int64_t>(random() % 128) / 64;
  }
  void learn(bool was_completed) {
    using namespace std::chrono_literals;
    later_ = was_completed ? later_ * 2 / 3 : std::min<clock::duration>(later_ * 3 / 2 + 1us, 5ms);
  }

 private:
  clock::duration later_;
};

// ---- Races --------------------------------------------------------------------------------------

/// Two threads that go on together, again and again: each waits for the other, without giving its
/// CPU away where that is not needed.
class pace {
 public:
  enum side : std::uint8_t { here, there };
  void keep(side mine, std::size_t round) {
    at_[mine] = round + 1;
    for (unsigned looks = 1; at_[1 - mine] <= round; ++looks) {
      if (looks % 32768 == 0) std::this_thread::yield();
    }
  }

 private:
  std::array<std::atomic<std::size_t>, 2> at_{};
};

/// While it lives, the calling thread runs on another CPU than this one, if there is one: on the
/// same they would take turns, and meet nowhere.
class away_from_cpu {
 public:
  explicit away_from_cpu(int cpu) {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t others = before_;
    CPU_CLR(static_cast<std::size_t>(cpu), &others);
    sched_setaffinity(0, sizeof others, &others);  // refused when there is no other
  }
  ~away_from_cpu() { sched_setaffinity(0, sizeof before_, &before_); }
  away_from_cpu(const away_from_cpu&) = delete;
  away_from_cpu& operator=(const away_from_cpu&) = delete;

 private:
  cpu_set_t before_;
};

/// One side of the race of one attempt.
inline void meet(cancelled_attempt& attempt, pace::side mine) {
  const round_plan& plan = attempt.plan();
  const bool asks = plan.swapped == (mine == pace::here);
  spin_until(attempt.race_begin() + (asks ? plan.later : clock::duration::zero()));
  spin(mine == pace::here ? plan.delay_here : plan.delay_there);
  if (asks) {
    attempt.ask();
  } else {
    attempt.complete_now();
  }
}

/// Requests meet completions: one of them comes from here, the other from elsewhere. How many were
/// completed.
inline task<std::size_t> play_races(const cancellation_cell& cell,
                                    const std::vector<round_plan>& plans, elsewhere& other) {
  std::deque<cancelled_attempt> attempts;
  for (const round_plan& plan : plans) co_await attempts.emplace_back(cell, plan).begin();
  pace together;
  const int cpu_here = sched_getcpu();
  other.begin([&] {
    const away_from_cpu guard(cpu_here);
    for (std::size_t i = 0; i < attempts.size(); ++i) {
      together.keep(pace::there, i);
      meet(attempts[i], pace::there);
    }
  });
  co_await yield();  // a worker tells others what it has for them when a step ends
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    together.keep(pace::here, i);
    meet(attempts[i], pace::here);
  }
  co_await other.ended();
  std::size_t completed = 0;
  for (cancelled_attempt& each : attempts) {
    co_await each.end();
    if (each.completed()) ++completed;
  }
  co_return completed;
}

// ---- A limit ------------------------------------------------------------------------------------

/// What the cell says about one round, beside what the case counts.
inline void judge(const limit_cell& cell, const round_plan& plan, const record& kept) {
  const case_traits& traits = cell.subject.traits;
  const bool completed = kept.how == fate::completed;
  EXPECT_TRUE(completed || kept.how == fate::timed_out) << kept.how << failure_of(kept);
  const bool in_one_step = cell.when == limit_moment::same_step && traits.completed_in_one_step;
  if (cell.when == limit_moment::after || (in_one_step && !plan.cancel_first))
    EXPECT_TRUE(completed) << "the limit came after the completion";
  const bool early = cell.when == limit_moment::before || (in_one_step && plan.cancel_first);
  // By the clock alone, the limit of a wait that goes on may come late, behind the completion.
  const bool seen_first = in_one_step || plan.virtual_time || traits.ends_when_cancelled;
  if (early && seen_first && traits.obeys())
    EXPECT_FALSE(completed) << "the limit came before the completion";
  EXPECT_EQ(kept.requests_later, 0) << "the limit has left a request";
}

inline task<> until_due(clock::time_point due, const round_plan& plan) {
  if (plan.virtual_time) co_await sleep(due - clock::now());
  spin_until(due);
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
  if (cell.subject.completed_by_time) co_await until_due(due, plan);
  it.complete();
  if (!plan.cancel_first) co_await steps(plan.steps_between);
  if (!plan.cancel_first) scope.cancel();
  co_await attempt;
}

/// A limit and the completion, each at its time.
inline task<> meet_limit(const limit_cell& cell, specimen& it, clock::time_point due, record& kept,
                         const round_plan& plan) {
  const bool gives_up =
      cell.when == limit_moment::before && cell.subject.traits.ends_when_cancelled;
  const auto complete_then = [&]() -> task<> {
    if (gives_up && !plan.virtual_time) co_await kept.over.wait();
    co_await until_due(due, plan);
    if (gives_up) it.check_given_up();
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

/// Was it completed?
inline task<bool> play(const limit_cell& cell, const round_plan& plan) {
  using namespace std::chrono_literals;
  const std::unique_ptr<specimen> it = cell.subject.make();
  const clock::duration unit = plan.virtual_time ? clock::duration(10ms) : clock::duration(200us);
  const clock::duration until_due = cell.when == limit_moment::before ? 2 * unit : unit;
  const clock::time_point begin = clock::now();
  it->set_due(begin + until_due);
  co_await it->set_up();  // takes no virtual time
  const bool from_now = !plan.virtual_time && !cell.subject.completed_by_time;
  const clock::time_point start = from_now ? clock::now() : begin;
  const clock::time_point due = start + until_due;
  record kept;
  kept.asked.set();  // by nobody

  if (cell.when == limit_moment::same_step) {
    co_await end_scope_at_completion(cell, *it, due, kept, plan);
  } else {
    kept.limit = start + unit;
    if (cell.when == limit_moment::race) kept.limit = due + plan.later;
    if (cell.when == limit_moment::after) kept.limit = start + (from_now ? 24h : 2 * unit);
    co_await meet_limit(cell, *it, due, kept, plan);
  }

  judge(cell, plan, kept);
  const bool goes_on =
      cell.when == limit_moment::before && !cell.subject.traits.ends_when_cancelled;
  if (plan.virtual_time && kept.limit) EXPECT_EQ(kept.when - start, goes_on ? 2 * unit : unit);
  const bool completed = kept.how == fate::completed;
  co_await it->check(completed);
  co_return completed;
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

/// Calls `play`, a coroutine of some plans, until `rounds` were played or one has failed; on a
/// runtime with so many workers, 0 for one in virtual time.
template <class F>
void play_rounds(const case_traits& traits, std::size_t workers, std::size_t rounds,
                 std::size_t at_once, std::mt19937_64& random, F play) {
  const auto all = [&]() -> task<> {
    for (std::size_t round = 0; round < rounds && !::testing::Test::HasFailure();) {
      std::vector<round_plan> plans;
      while (plans.size() < at_once && round < rounds)
        plans.push_back(draw_plan(random, round++, workers));
      co_await play(plans);
    }
  };
  const auto on_the_first = [&]() -> task<> { co_await spawn_on(0, all); };
  if (workers == 0) {
    test_runtime().run(on_the_first);
  } else {
    weft::run(on_the_first,
              {.workers = workers, .max_blocking_threads = traits.blocking_threads_max});
  }
  expect_nothing_left();
}

inline void play_all(const cancellation_cell& cell) {
  using namespace std::chrono_literals;
  const case_traits& traits = cell.subject.traits;
  std::mt19937_64 random = random_for(cell_name({cell, 0}));
  elsewhere other(cell.who);
  if (cell.when == moment::at_completion && cell.who != asker::same_worker) {
    // Many attempts for one meeting of the threads, which takes long. But if tasks have to run until
    // one is completed, this worker must be free for them.
    const bool runs_on =
        !traits.waits || !traits.completed_in_one_step || cell.subject.completed_by_time;
    const std::size_t at_once = runs_on ? 1 : 16;
    const std::size_t rounds = runs_on ? traits.rounds / 2 : traits.rounds;
    meeting_point request(10us);
    const auto race = [&](std::vector<round_plan> plans) -> task<> {
      if (runs_on) {
        plans.front().swapped = false;
        plans.front().later = request.draw(random);
      }
      const std::size_t completed = co_await play_races(cell, plans, other);
      request.learn(completed > 0);
    };
    if (cell.who == asker::another_worker)
      return play_rounds(traits, 4, rounds, at_once, random, race);
    play_rounds(traits, 1, rounds / 2, at_once, random, race);
    return play_rounds(traits, 4, rounds / 2, at_once, random, race);
  }
  const auto one = [&](const std::vector<round_plan>& plans) {
    return play(cell, plans.front(), other);
  };
  constexpr std::size_t rounds = 8;  // each of the orders that round_plan knows
  if (cell.who == asker::same_worker && traits.has_virtual_time)
    play_rounds(traits, 0, rounds, 1, random, one);
  if (cell.who != asker::another_worker) play_rounds(traits, 1, rounds, 1, random, one);
  if (cell.who != asker::same_worker) play_rounds(traits, 4, rounds, 1, random, one);
}

inline void play_all(const limit_cell& cell) {
  using namespace std::chrono_literals;
  const case_traits& traits = cell.subject.traits;
  std::mt19937_64 random = random_for(limit_name({cell, 0}));
  meeting_point limit(100us);
  const auto one = [&](std::vector<round_plan> plans) -> task<> {
    // Timers come late: the limit may have to be set earlier than the completion to meet it.
    plans.front().later = limit.draw(random) - 150us;
    const bool completed = co_await play(cell, plans.front());
    limit.learn(completed);
  };
  if (cell.when == limit_moment::race)
    return play_rounds(traits, 4, (traits.rounds + 3) / 4, 1, random, one);
  play_rounds(traits, traits.has_virtual_time ? 0 : 1, 8, 1, random, one);
}

}  // namespace weft::testing
