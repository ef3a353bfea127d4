#pragma once

// What the cancellation matrix works with: cases, the task that is cancelled, those who ask.
//
// A case says how an awaitable is made, completed and accounted for:
//
//   struct semaphore_acquire {
//     semaphore permits{0};
//     permit got;
//     task<> attempt(auto how) { got = co_await how(permits.acquire()); }  // bare, or with a limit
//     void complete() { permits.release(); }                               // any thread
//     void check(bool completed) { EXPECT_EQ(got.count(), completed ? 1 : 0); ... }
//   };
//
// It may also have: set_up(), before the attempt; line_up(), once that waits (both task<>);
// check_given_up(), when the attempt has gone and nothing was completed yet; a check() that is a
// task<>; `traits`, where it is not like most; `due`, if time completes it.

#include "../sync/every_runtime.h"
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/clock.h>
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/error.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/event.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace weft::testing {

// ---- Cases --------------------------------------------------------------------------------------

/// What is special about a case.
struct case_traits {
  bool ends_when_cancelled = true;    // else a cancelled wait goes on until its completion
  bool throws_at_its_end = false;     // if it goes on: cancelled it is all the same
  bool throws_when_cancelled = true;  // else it may give what it has, and the request stays
  bool completed_in_one_step = true;  // else complete() only begins what completes it
  bool passes_requests_on = false;    // to a task: the request may be spent there
  bool waits = true;                  // else it is over at once, or nobody can tell
  bool has_virtual_time = true;       // else it needs a real clock
  std::size_t rounds = 160;           // of a race
  std::size_t blocking_threads_max = runtime_options().max_blocking_threads;

  /// A request in time is what the attempt ends with.
  [[nodiscard]] bool obeys() const {
    return (ends_when_cancelled || throws_at_its_end) && throws_when_cancelled;
  }
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
  virtual void check_given_up() = 0;
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
  void check_given_up() override {
    if constexpr (requires { case_.check_given_up(); }) case_.check_given_up();
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

/// A thread that knows nothing of a runtime and calls what it is given. Signals are for others.
class foreign_thread {
 public:
  foreign_thread() {
    const detail::sys::all_signals_blocked blocked;
    thread_ = std::thread([this] { serve(); });
  }
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

}  // namespace weft::testing
