#pragma once

// What the tests of the runtime share: every kind of runtime, outcomes as values, and the rule that
// a test leaves nothing behind.

#include "../sync/every_runtime.h"
#include <weft/runtime/awaitable.h>
#include <weft/runtime/metrics.h>
#include <weft/runtime/result.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>

namespace weft::testing {

/// The kinds that reproduce asyncio's order: nothing runs between two awaits.
inline auto kinds_in_order() {
  return ::testing::Values(runtime_kind::virtual_time, runtime_kind::one_worker);
}

/// How an await ended: with a value or an exception.
template <class T>
class outcome {
 public:
  explicit outcome(result<T> kept) : kept_(std::move(kept)) {}

  [[nodiscard]] bool ok() const { return kept_.has_value(); }
  decltype(auto) value() { return kept_.value(); }

  template <class E>
  [[nodiscard]] bool threw() const {
    if (ok()) return false;
    try {
      std::rethrow_exception(kept_.error());
    } catch (const E&) {
      return true;
    } catch (...) {  // another type
      return false;
    }
  }

 private:
  result<T> kept_;
};

/// Awaits and keeps whatever comes, cancellations of the awaiting task too.
template <class A>
  requires(awaitable<A> && !is_join_handle<A>)
task<outcome<await_result_t<A>>> catch_all(A awaited) {
  using value = await_result_t<A>;
  try {
    if constexpr (std::is_void_v<value>) {
      co_await std::move(awaited);
      co_return outcome<void>(result<void>());
    } else {
      co_return outcome<value>(result<value>(value_t<value>(co_await std::move(awaited))));
    }
  } catch (...) {  // the value of this function
    co_return outcome<value>(result<value>(std::current_exception()));
  }
}
/// ... of a handle, which stays the caller's.
template <class T>
task<outcome<T>> catch_all(join_handle<T>& awaited) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await awaited;
      co_return outcome<void>(result<void>());
    } else {
      co_return outcome<T>(result<T>(value_t<T>(co_await awaited)));
    }
  } catch (...) {  // the value of this function
    co_return outcome<T>(result<T>(std::current_exception()));
  }
}

/// Waits for the end of a task and tells how it ended; an await, so that virtual time goes on.
template <class T>
task<ending> ending_of(join_handle<T>& awaited) {
  const auto ended = co_await catch_all(awaited);
  if (awaited.cancelled()) co_return ending::cancelled;
  co_return ended.ok() ? ending::value : ending::error;
}

/// Lets others run until `count` tasks wait for something.
inline task<> until_waiters(std::int64_t count) {
  while (take_ledger().waiters < count) co_await yield();
}

/// After each test of the program nothing of the library is alive.
class nothing_left : public ::testing::EmptyTestEventListener {
  void OnTestEnd(const ::testing::TestInfo&) override {
    const ledger left = take_ledger();
    EXPECT_EQ(left.tasks, 0);
    EXPECT_EQ(left.frames, 0);
    EXPECT_EQ(left.timers, 0);
    EXPECT_EQ(left.waiters, 0);
    EXPECT_EQ(left.registrations, 0);
    EXPECT_EQ(left.fds, 0);
    EXPECT_EQ(left.bytes, 0);
  }
};
inline const bool nothing_left_is_checked = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new nothing_left);
  return true;
}();

}  // namespace weft::testing
