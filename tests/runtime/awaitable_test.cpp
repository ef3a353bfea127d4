#include <weft/runtime/awaitable.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task.h>
#include <weft/runtime/test_runtime.h>

#include <gtest/gtest.h>

#include <coroutine>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// An awaitable whose operator co_await is a free function, as std::future may get one.
namespace elsewhere {

struct ready_value {
  int value;
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  int await_resume() const noexcept { return value; }
};
struct with_free_operator {
  int value;
};
inline ready_value operator co_await(with_free_operator awaited) noexcept {
  return {awaited.value};
}
struct with_member_operator {
  int value;
  ready_value operator co_await() const& noexcept { return {value}; }
  ready_value operator co_await() && noexcept { return {value + 1}; }
};

}  // namespace elsewhere

namespace weft::testing {
namespace {

using elsewhere::ready_value;
using elsewhere::with_free_operator;
using elsewhere::with_member_operator;

TEST(Awaitable, EveryShape_IsRecognised) {
  static_assert(awaitable<ready_value>);
  static_assert(awaitable<ready_value&>);
  static_assert(awaitable<with_free_operator>);
  static_assert(awaitable<with_member_operator>);
  static_assert(awaitable<task<int>>);
  static_assert(awaitable<join_handle<int>>);
  static_assert(awaitable<decltype(yield())>);
  static_assert(awaitable<std::suspend_always>);
}

TEST(Awaitable, OtherThings_AreNone) {
  struct half {
    bool await_ready() const noexcept { return true; }
    void await_resume() const noexcept {}
  };

  static_assert(!awaitable<int>);
  static_assert(!awaitable<std::string>);
  static_assert(!awaitable<std::unique_ptr<int>>);
  static_assert(!awaitable<half>);
}

TEST(Awaitable, Result_IsWhatTheAwaitGives) {
  static_assert(std::is_same_v<await_result_t<task<int>>, int>);
  static_assert(std::is_same_v<await_result_t<task<>>, void>);
  static_assert(std::is_same_v<await_result_t<task<int&>>, int&>);
  static_assert(std::is_same_v<await_result_t<task<std::unique_ptr<int>>>, std::unique_ptr<int>>);
  static_assert(std::is_same_v<await_result_t<join_handle<std::string>&>, std::string>);
  static_assert(std::is_same_v<await_result_t<with_free_operator>, int>);
  static_assert(std::is_void_v<await_result_t<decltype(yield())>>);
}

TEST(Awaitable, OnlyRvalues_AreOwned) {
  static_assert(detail::owned_awaitable<task<int>>);
  static_assert(!detail::owned_awaitable<task<int>&>);
  static_assert(!detail::owned_awaitable<int>);
}

TEST(Awaitable, VectorOfResults_HasTheStoredType) {
  static_assert(std::is_same_v<detail::vector_of_t<int>, std::vector<int>>);
  static_assert(std::is_void_v<detail::vector_of_t<void>>);
  static_assert(
      std::is_same_v<detail::vector_of_t<int&>, std::vector<std::reference_wrapper<int>>>);
}

TEST(Awaitable, Operator_IsFoundAsCoAwaitFindsIt) {
  with_member_operator named{7};

  EXPECT_EQ(detail::get_awaiter(named).value, 7);
  EXPECT_EQ(detail::get_awaiter(with_member_operator{7}).value, 8);
  EXPECT_EQ(detail::get_awaiter(with_free_operator{7}).value, 7);
}

TEST(Awaitable, AwaiterWithoutAnOperator_IsItsOwn) {
  ready_value own{7};

  EXPECT_EQ(&detail::get_awaiter(own), &own);
}

TEST(Awaitable, ForeignAwaitables_RunInsideATask) {
  test_runtime rt;

  rt.run([]() -> task<> {
    const int by_function = co_await with_free_operator{7};
    const int by_member = co_await with_member_operator{7};
    auto spawned = spawn(ready_value{9});
    const int in_a_task = co_await spawned;

    EXPECT_EQ(by_function, 7);
    EXPECT_EQ(by_member, 8);
    EXPECT_EQ(in_a_task, 9);
  });
}

// ---- suspend_with ------------------------------------------------------------------------------

template <class Returned>
struct suspending {
  Returned answer;
  bool await_ready() const noexcept { return false; }
  Returned await_suspend(std::coroutine_handle<>) const noexcept { return answer; }
  void await_resume() const noexcept {}
};

/// A coroutine that counts its resumptions.
struct counted {
  struct promise_type {
    counted get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept {}
  };
  std::coroutine_handle<promise_type> frame;
};
counted forever(int& count) {
  for (;;) {
    ++count;
    co_await std::suspend_always();
  }
}

TEST(SuspendWith, EachAnswerOfAwaitSuspend_NamesWhoRunsNext) {
  struct plain {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
  } suspends;
  suspending<bool> stays{true};
  suspending<bool> goes_on{false};
  int waiter_ran = 0;
  int other_ran = 0;
  const counted waiter = forever(waiter_ran);
  const counted other = forever(other_ran);
  suspending<std::coroutine_handle<>> hands_over{other.frame};

  detail::suspend_with(suspends, waiter.frame).resume();
  detail::suspend_with(stays, waiter.frame).resume();
  EXPECT_EQ(waiter_ran + other_ran, 0);
  detail::suspend_with(goes_on, waiter.frame).resume();
  EXPECT_EQ(waiter_ran, 1);
  detail::suspend_with(hands_over, waiter.frame).resume();
  EXPECT_EQ(other_ran, 1);

  waiter.frame.destroy();
  other.frame.destroy();
}

}  // namespace
}  // namespace weft::testing
