#include "cancellation_matrix.h"

#include "named_pipe.h"
#include "runtimes.h"
#include <weft/runtime/as_completed.h>
#include <weft/runtime/as_result.h>
#include <weft/runtime/async_exit_stack.h>
#include <weft/runtime/async_generator.h>
#include <weft/runtime/async_with.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/executor.h>
#include <weft/runtime/fork.h>
#include <weft/runtime/future.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/process_pool_executor.h>
#include <weft/runtime/select.h>
#include <weft/runtime/share.h>
#include <weft/runtime/shield.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/runtime/to_thread.h>
#include <weft/runtime/wait.h>
#include <weft/sync/channel.h>
#include <weft/sync/event.h>
#include <weft/sync/queue.h>
#include <weft/sync/semaphore.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace weft::testing {

/// Waits for a byte in the pipe at a path: how many came.
const process_function read_byte_of("read_byte_of", [](const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  const auto count = static_cast<int>(::read(fd, &byte, 1));
  ::close(fd);
  return count;
});

namespace {

using namespace std::chrono_literals;

/// Work of a child: counts how often it has begun, gone its whole way, and been cancelled.
struct counted_work {
  event gate;
  std::atomic<int> begun{0}, done{0}, cancelled{0};

  task<int> run() {
    ++begun;
    try {
      co_await gate.wait();
    } catch (const cancelled_error&) {
      ++cancelled;
      throw;
    }
    ++done;
    co_return 7;
  }
  [[nodiscard]] int alive() const { return begun - done - cancelled; }
};

// ---- Time ---------------------------------------------------------------------------------------

/// The library's sleep, until the moment that the matrix works with: never early.
struct timed_wait {
  clock::time_point due;
  bool woke = false;

  task<> attempt(auto how) {
    co_await how(sleep(due - clock::now()));
    EXPECT_GE(clock::now(), due);
    woke = true;
  }
  void check(bool completed) { EXPECT_EQ(woke, completed); }
};

struct interval_tick {
  clock::time_point due;
  std::optional<interval> ticks;
  clock::time_point got;

  task<> set_up() {
    const clock::duration period = std::max<clock::duration>(due - clock::now(), 1us);
    ticks.emplace(period);
    due = co_await ticks->tick() + period;
  }
  task<> attempt(auto how) { got = co_await how(ticks->tick()); }
  /// A tick that was cancelled is the next one to come.
  task<> check(bool completed) {
    if (completed) EXPECT_GE(clock::now(), got);
    if (clock::now() < due) co_return;
    const clock::time_point next = co_await ticks->tick();
    if (completed) EXPECT_GT(next, got);
  }
};

/// Never waits, and yet a cancellation point.
struct yield_once {
  static constexpr case_traits traits{.waits = false};
  bool passed = false;

  task<> attempt(auto how) {
    co_await how(yield());
    passed = true;
  }
  void check(bool completed) { EXPECT_EQ(passed, completed); }
};

// ---- Futures and handles ------------------------------------------------------------------------

struct future_await {
  promise<std::unique_ptr<int>> giver;
  future<std::unique_ptr<int>> taker = giver.get_future();
  std::unique_ptr<int> got;

  task<> attempt(auto how) { got = co_await how(taker); }
  void complete() { giver.set_value(std::make_unique<int>(7)); }
  /// A future whose wait was cancelled may be awaited again.
  task<> check(bool completed) {
    EXPECT_EQ(got != nullptr, completed);
    if (!completed) got = co_await taker;
    EXPECT_EQ(*got, 7);
  }
};

struct shared_future_await {
  promise<int> giver;
  shared_future<int> taker = giver.get_future().share();
  join_handle<int> other;

  task<> set_up() {
    other = co_await spawn_waiting([this]() -> task<int> { co_return co_await taker; });
  }
  task<> attempt(auto how) {
    const int got = co_await how(taker);
    EXPECT_EQ(got, 7);
  }
  void complete() { giver.set_value(7); }
  task<> check(bool) {
    const int got = co_await other;
    EXPECT_EQ(got, 7);
  }
};

/// The request goes to the task that is awaited; its end is awaited in any case.
struct join_handle_await {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  counted_work work;
  join_handle<int> child;

  task<> set_up() {
    child = co_await spawn_waiting([this] { return work.run(); });
  }
  task<> attempt(auto how) {
    const int got = co_await how(child);
    EXPECT_EQ(got, 7);
  }
  void complete() { work.gate.set(); }
  void check(bool completed) {
    EXPECT_TRUE(child.done());
    EXPECT_EQ(child.cancelled(), !completed);
    EXPECT_EQ(work.done, completed ? 1 : 0);
  }
};

struct shield_of_handle {
  static constexpr case_traits traits{.completed_in_one_step = false};
  counted_work work;
  join_handle<int> child;

  task<> set_up() {
    child = co_await spawn_waiting([this] { return work.run(); });
  }
  task<> attempt(auto how) {
    const int got = co_await how(shield(child));
    EXPECT_EQ(got, 7);
  }
  void complete() { work.gate.set(); }
  task<> check(bool) {
    const int got = co_await child;
    EXPECT_EQ(got, 7);
    EXPECT_EQ(work.cancelled, 0);
  }
};

struct shield_of_task {
  static constexpr case_traits traits{.completed_in_one_step = false};
  counted_work work;

  task<> attempt(auto how) {
    const int got = co_await how(shield(work.run()));
    EXPECT_EQ(got, 7);
  }
  void complete() { work.gate.set(); }
  /// It goes on without who awaited it.
  task<> check(bool) {
    while (work.done == 0) co_await yield();
    EXPECT_EQ(work.begun, 1);
    EXPECT_EQ(work.cancelled, 0);
  }
};

/// One of two who await it: the work stays with the other.
struct share_of_two {
  static constexpr case_traits traits{.completed_in_one_step = false};
  counted_work work;
  std::optional<shared_task<int>> shared;
  join_handle<int> other;

  task<> set_up() {
    shared.emplace(share(work.run()));
    other = co_await spawn_waiting([this]() -> task<int> { co_return co_await *shared; });
  }
  task<> attempt(auto how) {
    const int got = co_await how(*shared);
    EXPECT_EQ(got, 7);
  }
  void complete() { work.gate.set(); }
  task<> check(bool) {
    const int got = co_await other;
    EXPECT_EQ(got, 7);
    EXPECT_EQ(work.begun, 1);
    EXPECT_EQ(work.cancelled, 0);
    shared.reset();
  }
};

/// The last one takes the work along.
struct share_of_one {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  counted_work work;
  std::optional<shared_task<int>> shared;

  task<> set_up() {
    shared.emplace(share(work.run()));
    co_return;
  }
  task<> attempt(auto how) {
    const int got = co_await how(*shared);
    EXPECT_EQ(got, 7);
  }
  void complete() { work.gate.set(); }
  void check(bool completed) {
    EXPECT_EQ(work.alive(), 0);
    EXPECT_EQ(work.done, completed ? 1 : 0);
    shared.reset();
  }
};

// ---- Several at once ----------------------------------------------------------------------------

/// No child outlives its gather.
struct gather_of_tasks {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  counted_work first, second;

  task<> set_up() {
    first.gate.set();
    co_return;
  }
  task<> attempt(auto how) {
    const auto [a, b] = co_await how(gather(first.run(), second.run()));
    EXPECT_EQ(a + b, 14);
  }
  void complete() { second.gate.set(); }
  void check(bool completed) {
    EXPECT_EQ(first.alive() + second.alive(), 0);
    if (completed) EXPECT_EQ(first.done + second.done, 2);
  }
};

/// Two children that are waited for together.
struct two_works {
  counted_work first, second;

  void complete() {
    first.gate.set();
    second.gate.set();
  }
  void check(bool completed) {
    EXPECT_EQ(first.alive() + second.alive(), 0);
    if (completed) EXPECT_EQ(first.done + second.done, 2);
  }
};

struct gather_of_handles : two_works {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  std::vector<join_handle<int>> children;

  task<> set_up() {
    children.push_back(co_await spawn_waiting([this] { return first.run(); }));
    children.push_back(co_await spawn_waiting([this] { return second.run(); }));
  }
  task<> attempt(auto how) {
    const std::vector<int> all = co_await how(gather(children));
    EXPECT_EQ(all, std::vector<int>({7, 7}));
  }
};

struct gather_of_two_handles : two_works {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  join_handle<int> one, other;

  task<> set_up() {
    one = co_await spawn_waiting([this] { return first.run(); });
    other = co_await spawn_waiting([this] { return second.run(); });
  }
  task<> attempt(auto how) {
    const auto [a, b] = co_await how(gather(one, other));
    EXPECT_EQ(a + b, 14);
  }
};

/// With return_exceptions: a child that was cancelled is a value.
struct two_works_as_results : two_works {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};

  void check(bool) { EXPECT_EQ(first.alive() + second.alive(), 0); }

 protected:
  void expect_as_counted(const result<int>& a, const result<int>& b) const {
    EXPECT_EQ(a.has_value() + b.has_value(), first.done + second.done);
  }
};

struct gather_of_results : two_works_as_results {
  task<> attempt(auto how) {
    const auto [a, b] = co_await how(gather(return_exceptions, first.run(), second.run()));
    expect_as_counted(a, b);
  }
};

struct gather_of_a_range_of_results : two_works_as_results {
  task<> attempt(auto how) {
    std::vector<task<int>> children;
    children.push_back(first.run());
    children.push_back(second.run());
    const auto all = co_await how(gather(return_exceptions, std::move(children)));
    expect_as_counted(all[0], all[1]);
  }
};

struct gather_of_handle_results : two_works_as_results {
  join_handle<int> one, other;

  task<> set_up() {
    one = co_await spawn_waiting([this] { return first.run(); });
    other = co_await spawn_waiting([this] { return second.run(); });
  }
  task<> attempt(auto how) {
    const auto [a, b] = co_await how(gather(return_exceptions, one, other));
    expect_as_counted(a, b);
  }
};

struct gather_of_a_range_of_handle_results : two_works_as_results {
  std::vector<join_handle<int>> children;

  task<> set_up() {
    children.push_back(co_await spawn_waiting([this] { return first.run(); }));
    children.push_back(co_await spawn_waiting([this] { return second.run(); }));
  }
  task<> attempt(auto how) {
    const auto all = co_await how(gather(return_exceptions, children));
    expect_as_counted(all[0], all[1]);
  }
};

/// One permit at most, of the arm that has won.
struct select_of_operations {
  semaphore first{0}, second{0};
  std::optional<std::size_t> winner;

  task<> attempt(auto how) {
    const auto got = co_await how(select(first.acquire(), second.acquire()));
    winner = got.index();
    EXPECT_EQ(first.available() + second.available(), 0);
  }
  void complete() { second.release(); }
  void check(bool completed) {
    if (completed) EXPECT_EQ(winner, 1u);
    EXPECT_EQ(first.available(), 0);
    EXPECT_EQ(second.available(), 1);
    first.release();
    EXPECT_EQ(first.available(), 1);  // nobody waits for it any more
  }
};

/// Both arms complete at once: the one that loses keeps what it was given.
struct select_of_two_completions {
  semaphore first{0}, second{0};
  std::optional<std::size_t> winner;

  task<> attempt(auto how) {
    auto got = co_await how(select(first.acquire(), second.acquire()));
    winner = got.index();
    std::visit([](permit& each) { each.forget(); }, got);
  }
  void complete() {
    second.release();
    first.release();
  }
  void check(bool completed) {
    EXPECT_EQ(first.available() + second.available(), completed ? 1 : 2);
    if (completed) EXPECT_EQ(*winner == 0 ? first.available() : second.available(), 0);
  }
};

/// Two tasks that select meet in a channel without a buffer: the item is with one of them.
struct select_of_rendezvous {
  channel<int> items{0};
  event never;
  bool sent = false;
  std::optional<int> got;

  task<> attempt(auto how) {
    auto first = co_await how(select(never.wait(), items.recv()));
    EXPECT_EQ(first.index(), 1u);
    got = std::get<1>(first);
  }
  void complete() { sent = items.try_send(7); }
  void check(bool completed) {
    EXPECT_EQ(sent, completed);
    EXPECT_EQ(got.has_value(), completed);
    EXPECT_FALSE(never.has_waiters());
    EXPECT_FALSE(items.try_send(8));  // nobody waits
  }
};

struct select_of_a_range {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  counted_work first, second;

  task<> attempt(auto how) {
    std::vector<task<int>> children;
    children.push_back(first.run());
    children.push_back(second.run());
    const select_result<int> got = co_await how(select(std::move(children)));
    EXPECT_EQ(got.index, 1u);
  }
  void complete() { second.gate.set(); }
  void check(bool completed) {
    EXPECT_EQ(first.alive() + second.alive(), 0);
    if (completed) EXPECT_EQ(second.done, 1);
    EXPECT_EQ(first.done, 0);
  }
};

struct gather_of_a_range : two_works {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};

  task<> attempt(auto how) {
    std::vector<task<int>> children;
    children.push_back(first.run());
    children.push_back(second.run());
    const std::vector<int> all = co_await how(gather(std::move(children)));
    EXPECT_EQ(all, std::vector<int>({7, 7}));
  }
};

/// Nothing is written to where the values go, unless all are there.
struct gather_into_an_array : two_works {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  std::array<int, 2> into{};

  task<> attempt(auto how) {
    std::vector<task<int>> children;
    children.push_back(first.run());
    children.push_back(second.run());
    co_await how(gather_into(std::move(children), into));
  }
  void check(bool completed) {
    const int value = completed ? 7 : 0;
    EXPECT_EQ(into, (std::array{value, value}));
    two_works::check(completed);
  }
};

struct select_with_a_task {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  queue<int> items;
  counted_work work;

  task<> attempt(auto how) {
    const auto got = co_await how(select(items.get(), work.run()));
    EXPECT_EQ(got.index(), 1u);
  }
  void complete() { work.gate.set(); }
  /// Once the request has come first, what the task gives all the same is dropped as a loser's.
  void check(bool completed) {
    EXPECT_EQ(work.alive(), 0);
    if (completed) EXPECT_EQ(work.done, 1);
    EXPECT_TRUE(items.try_put(1));
    EXPECT_EQ(items.size(), 1u);
  }
};

/// Nothing of what wait() observes is cancelled.
struct wait_for_the_first {
  static constexpr case_traits traits{.completed_in_one_step = false};
  counted_work first, second;
  std::vector<join_handle<int>> children;

  task<> set_up() {
    children.push_back(co_await spawn_waiting([this] { return first.run(); }));
    children.push_back(co_await spawn_waiting([this] { return second.run(); }));
  }
  task<> attempt(auto how) {
    const wait_result got = co_await how(wait(children, return_when::first_completed));
    EXPECT_EQ(got.done, std::vector<std::size_t>({1}));
    EXPECT_EQ(got.pending, std::vector<std::size_t>({0}));
  }
  void complete() { second.gate.set(); }
  task<> check(bool) {
    first.gate.set();
    const wait_result all = co_await wait(children);
    EXPECT_EQ(all.done.size(), 2u);
    EXPECT_EQ(first.done + second.done, 2);
  }
};

struct wait_with_a_limit {
  static constexpr case_traits traits{.completed_in_one_step = true};
  clock::time_point due;
  counted_work work;
  std::vector<join_handle<int>> children;

  task<> set_up() {
    children.push_back(co_await spawn_waiting([this] { return work.run(); }));
  }
  task<> attempt(auto how) {
    const clock::duration limit = due - clock::now();
    const wait_result got = co_await how(wait(children, return_when::all_completed, limit));
    EXPECT_EQ(got.pending.size(), 1u);
  }
  task<> check(bool) {
    work.gate.set();
    const int got = co_await children[0];
    EXPECT_EQ(got, 7);
  }
};

/// Who is cancelled there cancels and awaits the rest.
struct as_completed_next {
  static constexpr case_traits traits{.completed_in_one_step = false};
  counted_work first, second;
  std::optional<async_generator<result<int>>> all;

  task<> set_up() {
    std::vector<task<int>> children;
    children.push_back(first.run());
    children.push_back(second.run());
    all.emplace(as_completed(std::move(children)));
    co_return;
  }
  task<> attempt(auto how) {
    const std::optional<result<int>> got = co_await how(all->next());
    EXPECT_EQ(got->value(), 7);
  }
  void complete() { first.gate.set(); }
  task<> check(bool completed) {
    if (completed) EXPECT_EQ(first.done, 1);
    if (!completed) EXPECT_EQ(first.alive() + second.alive(), 0);
    co_await all->aclose();
    EXPECT_EQ(first.alive() + second.alive(), 0);
    EXPECT_EQ(second.done, 0);
    all.reset();
  }
};

/// One was told; the other is cancelled by aclose(), which waits for its clean-up whatever happens.
struct as_completed_aclose {
  static constexpr case_traits traits{.ends_when_cancelled = false, .completed_in_one_step = false};
  counted_work told;
  event never, may_end;
  std::atomic<int> begun{0}, ending{0}, ended{0};
  std::optional<async_generator<result<int>>> all;

  task<int> slow_to_end() {
    ++begun;
    const auto body = [this]() -> task<int> {
      co_await never.wait();
      co_return 0;
    };
    const auto cleanup = [this]() -> task<> {
      ++ending;
      co_await may_end.wait();
      ++ended;
    };
    co_return co_await try_finally(body, cleanup);
  }
  task<> set_up() {
    told.gate.set();
    std::vector<task<int>> children;
    children.push_back(told.run());
    children.push_back(slow_to_end());
    all.emplace(as_completed(std::move(children)));
    const std::optional<result<int>> got = co_await all->next();
    EXPECT_EQ(got->value(), 7);
    while (begun == 0) co_await yield();
  }
  task<> attempt(auto how) { co_await how(all->aclose()); }
  void complete() { may_end.set(); }
  /// A limit that had passed when it began is a call that was not made.
  task<> check(bool completed) {
    EXPECT_EQ(ended, ending);
    if (completed) EXPECT_EQ(ended, 1);
    co_await all->aclose();
    EXPECT_EQ(ended, 1);
    const std::optional<result<int>> next = co_await all->next();
    EXPECT_FALSE(next.has_value());
    all.reset();
  }
};

struct task_group_join : two_works {
  static constexpr case_traits traits{.completed_in_one_step = false};

  task<> attempt(auto how) {
    const auto body = [this](task_group& group) -> task<> {
      group.spawn(first.run());
      group.spawn(second.run());
      co_return;
    };
    co_await how(with_task_group(body));
  }
};

struct task_group_body {
  static constexpr case_traits traits{.completed_in_one_step = false};
  counted_work work, in_body;

  task<> attempt(auto how) {
    const auto body = [this](task_group& group) -> task<> {
      group.spawn(work.run());
      co_await in_body.run();
    };
    co_await how(with_task_group(body));
  }
  void complete() {
    work.gate.set();
    in_body.gate.set();
  }
  void check(bool completed) {
    EXPECT_EQ(work.alive() + in_body.alive(), 0);
    if (completed) EXPECT_EQ(work.done + in_body.done, 2);
  }
};

// ---- Limits and scopes around a permit ----------------------------------------------------------

/// What is nested in a limit keeps its own books.
struct one_permit {
  semaphore permits{0};
  permit got;

  void complete() { permits.release(); }
  void check(bool completed) {
    EXPECT_EQ(got.count(), completed ? 1 : 0);
    got.release();
    EXPECT_EQ(permits.available(), 1);
  }
};

struct timeouts_nested : one_permit {
  task<> attempt(auto how) {
    const auto inner = [this]() -> task<permit> { co_return co_await permits.acquire(); };
    const auto outer = [&]() -> task<permit> {
      co_return co_await wait_for(timeout(2h, inner), 3h);
    };
    got = co_await how(timeout(1h, outer));
  }
};

struct deadline_around : one_permit {
  task<> attempt(auto how) {
    const deadline outer{2h};
    const deadline inner{1h};
    got = co_await how(permits.acquire());
    EXPECT_FALSE(inner.expired() || outer.expired());
  }
};

struct cancel_scope_around : one_permit {
  task<> attempt(auto how) {
    const auto body = [this]() -> task<permit> { co_return co_await permits.acquire(); };
    std::optional<permit> inside = co_await how(with_cancel_scope(body));
    got = std::move(*inside);
  }
};

struct as_result_of : one_permit {
  task<> attempt(auto how) {
    result<permit> outcome = co_await how(as_result(permits.acquire()));
    got = std::move(outcome).value();
  }
};

/// The cancellation of a child is a value, whoever is cancelled meanwhile.
struct as_result_of_a_cancelled_task {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  counted_work work;
  join_handle<int> child;

  task<> set_up() {
    child = co_await spawn_waiting([this] { return work.run(); });
  }
  task<> attempt(auto how) {
    const result<int> ended = co_await how(as_result(child));
    EXPECT_TRUE(ended.cancelled());
  }
  void complete() { child.cancel(); }
  void check(bool) {
    EXPECT_TRUE(child.cancelled());
    EXPECT_EQ(work.cancelled, 1);
  }
};

/// The clean-up happens once, and is not interrupted.
struct try_finally_body : one_permit {
  int begun = 0, cleaned = 0;

  task<> attempt(auto how) {
    const auto body = [this]() -> task<permit> {
      ++begun;
      co_return co_await permits.acquire();
    };
    const auto cleanup = [this]() -> task<> {
      co_await yield();
      ++cleaned;
    };
    got = co_await how(try_finally(body, cleanup));
  }
  void check(bool completed) {
    EXPECT_EQ(cleaned, begun);
    one_permit::check(completed);
  }
};

/// A request waits behind the shield.
struct shielded_wait : one_permit {
  static constexpr case_traits traits{.ends_when_cancelled = false};

  task<> attempt(auto how) {
    const auto body = [this]() -> task<permit> {
      const cancel_shield shield;
      co_return co_await permits.acquire();
    };
    got = co_await how(body());
  }
};

/// What was entered is left, what was not is not.
struct async_with_resource {
  struct resource {
    event may_enter;
    int entered = 0, left = 0;
    task<> aenter() {
      co_await may_enter.wait();
      ++entered;
    }
    task<> aexit(const std::exception_ptr&) {
      co_await yield();
      ++left;
    }
  };
  resource held;
  int ran = 0;

  task<> attempt(auto how) {
    const auto body = [this]() -> task<> {
      ++ran;
      co_return;
    };
    co_await how(async_with(held, body));
  }
  void complete() { held.may_enter.set(); }
  void check(bool completed) {
    EXPECT_EQ(held.entered, completed ? 1 : 0);
    EXPECT_EQ(held.left, held.entered);
    EXPECT_EQ(ran, held.entered);
  }
};

/// A generator in its place: what it has acquired it releases, shielded.
struct async_with_generator {
  event may_enter;
  int entered = 0, left = 0, ran = 0;

  async_generator<int> hold() {
    co_await may_enter.wait();
    ++entered;
    co_yield 7;
    co_await yield();
    ++left;
  }
  task<> attempt(auto how) {
    const auto body = [this](int value) -> task<> {
      EXPECT_EQ(value, 7);
      ++ran;
      co_return;
    };
    co_await how(async_with(hold(), body));
  }
  void complete() { may_enter.set(); }
  void check(bool completed) {
    EXPECT_EQ(entered, completed ? 1 : 0);
    EXPECT_EQ(left, entered);
    EXPECT_EQ(ran, entered);
  }
};

/// A resource that is left slowly, and knows when.
struct slow_to_leave {
  event may_leave;
  int left = 0;  // the how manieth to be left
  int* count = nullptr;
  task<> aenter() { co_return; }
  task<> aexit(const std::exception_ptr&) {
    co_await may_leave.wait();
    left = ++*count;
  }
};

/// The request comes while it is left, and waits for that.
struct async_with_exit {
  static constexpr case_traits traits{.ends_when_cancelled = false};
  int count = 0, ran = 0;
  slow_to_leave held{.may_leave = {}, .count = &count};

  task<> attempt(auto how) {
    const auto body = [this] { ++ran; };
    co_await how(async_with(held, body));
  }
  void complete() { held.may_leave.set(); }
  void check(bool completed) {
    if (completed) EXPECT_EQ(ran, 1);
    EXPECT_EQ(held.left, ran);
  }
};

/// ... while the last of three is left: the others are left too, each in its turn.
struct exit_stack_close {
  static constexpr case_traits traits{.ends_when_cancelled = false, .completed_in_one_step = false};
  int count = 0, called = 0;
  bool ran = false;
  slow_to_leave first{.may_leave = {}, .count = &count};
  slow_to_leave second{.may_leave = {}, .count = &count};

  task<> attempt(auto how) {
    const auto callback = [this]() -> task<> {
      co_await yield();
      called = ++count;
    };
    const auto body = [&](async_exit_stack& stack) -> task<> {
      co_await stack.enter(first);
      stack.push_async_callback(callback);
      co_await stack.enter(second);
      ran = true;
    };
    co_await how(with_exit_stack(body));
  }
  void complete() {
    second.may_leave.set();
    first.may_leave.set();
  }
  void check(bool completed) {
    if (completed) EXPECT_TRUE(ran);
    EXPECT_EQ(second.left, ran ? 1 : 0);
    EXPECT_EQ(called, ran ? 2 : 0);
    EXPECT_EQ(first.left, ran ? 3 : 0);
  }
};

struct exit_stack_enter {
  async_with_resource::resource first, second;

  task<> set_up() {
    first.may_enter.set();
    co_return;
  }
  task<> attempt(auto how) {
    const auto body = [this](async_exit_stack& stack) -> task<> {
      co_await stack.enter(first);
      co_await stack.enter(second);
    };
    co_await how(with_exit_stack(body));
  }
  void complete() { second.may_enter.set(); }
  void check(bool completed) {
    EXPECT_EQ(second.entered, completed ? 1 : 0);
    EXPECT_EQ(first.left, first.entered);
    EXPECT_EQ(second.left, second.entered);
  }
};

// ---- Generators and forks -----------------------------------------------------------------------

struct async_generator_next {
  counted_work work;
  std::optional<async_generator<int>> values;

  async_generator<int> generate() {
    const int value = co_await work.run();
    co_yield value;
  }
  task<> set_up() {
    values.emplace(generate());
    co_return;
  }
  task<> attempt(auto how) {
    const std::optional<int> got = co_await how(values->next());
    EXPECT_EQ(got, 7);
  }
  void complete() { work.gate.set(); }
  /// One that was cancelled has ended.
  task<> check(bool completed) {
    EXPECT_EQ(work.alive(), 0);
    EXPECT_EQ(work.done, completed ? 1 : 0);
    const std::optional<int> next = co_await values->next();
    EXPECT_FALSE(next.has_value());
    values.reset();
  }
};

/// It catches what is thrown into it, and waits before it goes on.
struct async_generator_athrow {
  counted_work work;
  std::optional<async_generator<int>> values;

  async_generator<int> generate() {
    bool thrown_into = false;
    try {
      co_yield 1;
    } catch (const std::runtime_error&) {
      thrown_into = true;
    }
    if (!thrown_into) co_return;
    const int value = co_await work.run();
    co_yield value;
  }
  task<> set_up() {
    values.emplace(generate());
    const std::optional<int> got = co_await values->next();
    EXPECT_EQ(got, 1);
  }
  task<> attempt(auto how) {
    const auto error = std::make_exception_ptr(std::runtime_error("thrown in"));
    const std::optional<int> got = co_await how(values->athrow(error));
    EXPECT_EQ(got, 7);
  }
  void complete() { work.gate.set(); }
  /// One that was cancelled has ended.
  task<> check(bool completed) {
    EXPECT_EQ(work.alive(), 0);
    EXPECT_EQ(work.done, completed ? 1 : 0);
    const std::optional<int> next = co_await values->next();
    EXPECT_FALSE(next.has_value());
    values.reset();
  }
};

/// The clean-up of a generator is awaited like everything else, and may be cancelled. A scope that
/// has ended meanwhile takes what closes the generator for its own, though the clean-up is done.
struct async_generator_aclose {
  static constexpr case_traits traits{.completed_in_one_step = false};
  counted_work cleanup;
  std::optional<async_generator<int>> values;

  /// What closes it is no request, and goes on behind the clean-up.
  async_generator<int> generate() {
    std::exception_ptr closing;
    try {
      co_yield 1;
    } catch (...) {  // thrown on
      closing = std::current_exception();
    }
    if (closing == nullptr) co_return;
    co_await cleanup.run();
    std::rethrow_exception(closing);
  }
  task<> set_up() {
    values.emplace(generate());
    const std::optional<int> got = co_await values->next();
    EXPECT_EQ(got, 1);
  }
  task<> attempt(auto how) { co_await how(values->aclose()); }
  void complete() { cleanup.gate.set(); }
  task<> check(bool completed) {
    EXPECT_EQ(cleanup.alive(), 0);
    if (completed) EXPECT_EQ(cleanup.done, 1);
    const std::optional<int> next = co_await values->next();
    EXPECT_FALSE(next.has_value());
    values.reset();
  }
};

struct fork_join {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};
  counted_work work;

  task<> attempt(auto how) {
    auto child = fork(work.run());
    const int got = co_await how(child);
    EXPECT_EQ(got, 7);
  }
  void complete() { work.gate.set(); }
  void check(bool completed) {
    EXPECT_EQ(work.alive(), 0);
    EXPECT_EQ(work.done, completed ? 1 : 0);
  }
};

struct fork_all_join : two_works {
  static constexpr case_traits traits{.completed_in_one_step = false, .passes_requests_on = true};

  task<> attempt(auto how) {
    std::vector<task<int>> children;
    children.push_back(first.run());
    children.push_back(second.run());
    const std::vector<int> all = co_await how(fork_all(std::move(children)));
    EXPECT_EQ(all, std::vector<int>({7, 7}));
  }
};

// ---- Other threads ------------------------------------------------------------------------------

constexpr case_traits goes_on{.ends_when_cancelled = false,
                              .completed_in_one_step = false,
                              .has_virtual_time = false,
                              .rounds = 80};
constexpr case_traits ends_early{
    .completed_in_one_step = false, .has_virtual_time = false, .rounds = 80};
constexpr case_traits stops_with_a_value{.throws_when_cancelled = false,
                                         .completed_in_one_step = false,
                                         .has_virtual_time = false,
                                         .rounds = 80};

/// A job on another thread, which ends when it may.
struct blocking_work {
  std::latch gate{1};
  std::atomic<int> begun{0}, done{0};

  int run() {
    ++begun;
    gate.wait();
    return ++done;
  }
  int run_until(const std::stop_token& stop) {
    ++begun;
    while (!gate.try_wait() && !stop.stop_requested()) std::this_thread::yield();
    return ++done;
  }
};

struct blocking_case {
  std::shared_ptr<blocking_work> work = std::make_shared<blocking_work>();
  std::atomic<bool> given_up{false};

  void complete() { work->gate.count_down(); }
  /// What was begun has ended, and its value was given; else it never began.
  void check(bool completed) {
    EXPECT_EQ(work->begun, completed ? 1 : 0);
    EXPECT_EQ(work->done, completed ? 1 : 0);
  }
  task<> until_begun() {
    while (work->begun == 0 && !given_up) co_await yield();
  }

 protected:
  task<> get(auto operation) {
    try {
      const int got = co_await std::move(operation);
      EXPECT_EQ(got, 1);
    } catch (...) {  // told to those who wait for the begin
      given_up = true;
      throw;
    }
  }
};

/// The request meets the begin of the job as well.
struct to_thread_job : blocking_case {
  static constexpr case_traits traits = goes_on;

  task<> attempt(auto how) {
    const auto job = [this] { return work->run(); };
    co_await get(how(to_thread(job)));
  }
};
struct to_thread_job_that_runs : to_thread_job {
  task<> line_up() { return until_begun(); }
};

/// A request stops it; what it gives then is delivered.
struct to_thread_job_that_stops : blocking_case {
  static constexpr case_traits traits = stops_with_a_value;

  task<> attempt(auto how) {
    const auto job = [this](const std::stop_token& stop) { return work->run_until(stop); };
    co_await get(how(to_thread(job)));
  }
  task<> line_up() { return until_begun(); }
};

/// It is left to itself, and owns what it needs.
struct to_thread_abandoned : blocking_case {
  static constexpr case_traits traits = ends_early;

  task<> attempt(auto how) {
    const auto job = [kept = work] { return kept->run(); };
    co_await get(how(to_thread(abandon_on_cancel, job)));
  }
  task<> line_up() { return until_begun(); }
  void check(bool completed) {
    if (completed) EXPECT_EQ(work->done, 1);
  }
};

/// The one thread of the runtime's pool is taken: the job waits in its line.
struct to_thread_abandoned_in_line : blocking_case {
  static constexpr case_traits traits{.completed_in_one_step = false,
                                      .has_virtual_time = false,
                                      .rounds = 80,
                                      .blocking_threads_max = 1};
  std::shared_ptr<std::atomic<int>> ran = std::make_shared<std::atomic<int>>(0);
  join_handle<int> before;

  task<> set_up() {
    const auto job = [kept = work] { return kept->run(); };
    before = spawn(to_thread(job));
    co_await until_begun();
  }
  task<> attempt(auto how) {
    const auto job = [kept = ran] { return ++*kept; };
    co_await get(how(to_thread(abandon_on_cancel, job)));
  }
  /// One that was given up in the line never runs; one that has begun by then is left to itself.
  void check_given_up() { EXPECT_EQ(ran.use_count(), 1); }
  task<> check(bool completed) {
    const int first = co_await before;
    EXPECT_EQ(first, 1);
    if (completed) EXPECT_EQ(*ran, 1);
  }
};

/// What a user derives from executor at least: a thread that calls what it is given, in order, and
/// cannot take anything back.
class posts_only final : public executor {
 public:
  posts_only() {
    const detail::sys::all_signals_blocked blocked;
    thread_ = std::thread([this] { serve(); });
  }
  posts_only(const posts_only&) = delete;
  posts_only& operator=(const posts_only&) = delete;
  ~posts_only() override {
    post(nullptr, nullptr);
    thread_.join();
  }

 private:
  struct posted {
    void (*run)(void*);
    void* job;
  };

  void post(void (*run)(void*), void* job) override {
    const std::lock_guard lock(mutex_);
    queue_.push_back({run, job});
    changed_.notify_one();
  }
  posted next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !queue_.empty(); });
    const posted first = queue_.front();
    queue_.pop_front();
    return first;
  }
  void serve() {
    for (posted each = next(); each.run != nullptr; each = next()) each.run(each.job);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<posted> queue_;  // guarded by mutex_
  std::thread thread_;
};

class pool_of_one final : public thread_pool_executor {
 public:
  pool_of_one() : thread_pool_executor(1) {}
};

/// A pool takes a job back. Who cannot skips it when its turn comes: the wait is as long, and no
/// call.
template <class Executor>
constexpr case_traits in_line = ends_early;
template <>
constexpr case_traits in_line<posts_only>{.ends_when_cancelled = false,
                                          .throws_at_its_end = true,
                                          .completed_in_one_step = false,
                                          .has_virtual_time = false,
                                          .rounds = 80};

/// The one thread is taken: the job waits in its line.
template <class Executor>
struct run_in_executor_queued : blocking_case {
  static constexpr case_traits traits = in_line<Executor>;
  std::atomic<int> ran{0};
  Executor where;
  future<void> before = where.submit([kept = work] { kept->gate.wait(); });

  task<> attempt(auto how) {
    const auto job = [this] { return ++ran; };
    co_await get(how(run_in_executor(where, job)));
  }
  task<> check(bool completed) {
    co_await before;
    EXPECT_EQ(ran, completed ? 1 : 0);
  }
};

template <class Executor>
struct run_in_executor_running : blocking_case {
  static constexpr case_traits traits = goes_on;
  Executor where;

  task<> attempt(auto how) {
    const auto job = [this] { return work->run(); };
    co_await get(how(run_in_executor(where, job)));
  }
  task<> line_up() { return until_begun(); }
};

template <class Executor>
struct run_in_executor_stopped : blocking_case {
  static constexpr case_traits traits = stops_with_a_value;
  Executor where;

  task<> attempt(auto how) {
    const auto job = [this](const std::stop_token& stop) { return work->run_until(stop); };
    co_await get(how(run_in_executor(where, job)));
  }
  task<> line_up() { return until_begun(); }
};

/// A call in another process waits there for a byte. Whatever became of it, the pool serves the
/// next one.
struct process_call {
  static constexpr case_traits traits{
      .completed_in_one_step = false, .has_virtual_time = false, .rounds = 8};
  named_pipe gate;
  process_pool_executor pool{1};
  int got = 0;

  void complete() { gate.write_byte(); }
  task<> check(bool completed) {
    EXPECT_EQ(got, completed ? 1 : 0);
    gate.write_byte();
    const int next = co_await pool.submit(read_byte_of, gate.path());
    EXPECT_EQ(next, 1);
  }
};

/// A future that is left: the call goes on, and its value is dropped.
struct process_pool_submit : process_call {
  task<> attempt(auto how) { got = co_await how(pool.submit(read_byte_of, gate.path())); }
};

/// The call ends with its process.
struct process_pool_run : process_call {
  task<> attempt(auto how) { got = co_await how(run_in_executor(pool, read_byte_of, gate.path())); }
};

/// A move is no wait: it is interrupted before or after it.
struct moving {
  static constexpr case_traits traits{.waits = false, .rounds = 80};
  bool there = false;

  void check(bool completed) { EXPECT_EQ(there, completed); }
};

struct resume_on_executor : moving {
  thread_pool_executor pool{1};

  task<> attempt(auto how) {
    co_await how(resume_on(pool));
    there = true;
  }
};

struct resume_on_own_executor : moving {
  posts_only own;

  task<> attempt(auto how) {
    co_await how(resume_on(own));
    there = true;
  }
};

struct resume_on_runtime {
  static constexpr case_traits traits{.waits = false};
  bool there = false;

  task<> attempt(auto how) {
    co_await how(resume_on(runtime::current()));
    there = true;
  }
  void check(bool completed) { EXPECT_EQ(there, completed); }
};

// ---- The matrix ---------------------------------------------------------------------------------

const std::vector<matrix_case>& cases() {
  static const std::vector<matrix_case> all{
      case_of<timed_wait>("Sleep"),
      case_of<interval_tick>("IntervalTick"),
      case_of<yield_once>("Yield"),
      case_of<future_await>("Future"),
      case_of<shared_future_await>("SharedFuture"),
      case_of<join_handle_await>("JoinHandle"),
      case_of<shield_of_handle>("ShieldOfAHandle"),
      case_of<shield_of_task>("ShieldOfATask"),
      case_of<share_of_two>("ShareOfTwo"),
      case_of<share_of_one>("ShareOfOne"),
      case_of<gather_of_tasks>("Gather"),
      case_of<gather_of_handles>("GatherOfHandles"),
      case_of<gather_of_two_handles>("GatherOfTwoHandles"),
      case_of<gather_of_results>("GatherOfResults"),
      case_of<gather_of_a_range_of_results>("GatherOfARangeOfResults"),
      case_of<gather_of_handle_results>("GatherOfHandleResults"),
      case_of<gather_of_a_range_of_handle_results>("GatherOfARangeOfHandleResults"),
      case_of<gather_of_a_range>("GatherOfARange"),
      case_of<gather_into_an_array>("GatherInto"),
      case_of<select_of_operations>("Select"),
      case_of<select_of_two_completions>("SelectOfTwoCompletions"),
      case_of<select_of_rendezvous>("SelectOfRendezvous"),
      case_of<select_of_a_range>("SelectOfARange"),
      case_of<select_with_a_task>("SelectWithATask"),
      case_of<wait_for_the_first>("Wait"),
      case_of<wait_with_a_limit>("WaitWithALimit"),
      case_of<as_completed_next>("AsCompletedNext"),
      case_of<as_completed_aclose>("AsCompletedAclose"),
      case_of<task_group_join>("TaskGroup"),
      case_of<task_group_body>("TaskGroupBody"),
      case_of<timeouts_nested>("TimeoutsNested"),
      case_of<deadline_around>("Deadline"),
      case_of<cancel_scope_around>("CancelScope"),
      case_of<as_result_of>("AsResult"),
      case_of<as_result_of_a_cancelled_task>("AsResultOfACancelledTask"),
      case_of<try_finally_body>("TryFinally"),
      case_of<shielded_wait>("CancelShield"),
      case_of<async_with_resource>("AsyncWith"),
      case_of<async_with_generator>("AsyncWithGenerator"),
      case_of<async_with_exit>("AsyncWithExit"),
      case_of<exit_stack_enter>("AsyncExitStack"),
      case_of<exit_stack_close>("AsyncExitStackClose"),
      case_of<async_generator_next>("AsyncGeneratorNext"),
      case_of<async_generator_athrow>("AsyncGeneratorAthrow"),
      case_of<async_generator_aclose>("AsyncGeneratorAclose"),
      case_of<fork_join>("Fork"),
      case_of<fork_all_join>("ForkAll"),
      case_of<to_thread_job>("ToThread"),
      case_of<to_thread_job_that_runs>("ToThreadThatRuns"),
      case_of<to_thread_job_that_stops>("ToThreadThatStops"),
      case_of<to_thread_abandoned>("ToThreadAbandoned"),
      case_of<to_thread_abandoned_in_line>("ToThreadAbandonedInLine"),
      case_of<run_in_executor_queued<pool_of_one>>("RunInExecutorQueued"),
      case_of<run_in_executor_running<pool_of_one>>("RunInExecutorRunning"),
      case_of<run_in_executor_stopped<pool_of_one>>("RunInExecutorStopped"),
      case_of<run_in_executor_queued<posts_only>>("RunInOwnExecutorQueued"),
      case_of<run_in_executor_running<posts_only>>("RunInOwnExecutorRunning"),
      case_of<run_in_executor_stopped<posts_only>>("RunInOwnExecutorStopped"),
      case_of<process_pool_submit>("ProcessPoolSubmit"),
      case_of<process_pool_run>("ProcessPoolRun"),
      case_of<resume_on_executor>("ResumeOnExecutor"),
      case_of<resume_on_own_executor>("ResumeOnOwnExecutor"),
      case_of<resume_on_runtime>("ResumeOnRuntime"),
  };
  return all;
}

class CancellationMatrix : public ::testing::TestWithParam<cancellation_cell> {};
INSTANTIATE_TEST_SUITE_P(Runtime, CancellationMatrix,
                         ::testing::ValuesIn(cancellation_cells(cases())), cell_name);

TEST_P(CancellationMatrix, Request_LosesAndInventsNothing) {
  play_all(GetParam());
}

class TimeLimitMatrix : public ::testing::TestWithParam<limit_cell> {};
INSTANTIATE_TEST_SUITE_P(Runtime, TimeLimitMatrix, ::testing::ValuesIn(limit_cells(cases())),
                         limit_name);

TEST_P(TimeLimitMatrix, Limit_LosesAndInventsNothing) {
  play_all(GetParam());
}

}  // namespace
}  // namespace weft::testing
