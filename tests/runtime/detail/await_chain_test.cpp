#include <weft/runtime/detail/await_chain.h>
#include <weft/runtime/task.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <coroutine>
#include <cstdint>
#include <source_location>
#include <string>

namespace weft::detail {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::uint_least32_t line_of_the_await = 0;

task<> inner() {
  co_await std::suspend_always{};
}
task<> outer() {
  task<> child = inner();
  line_of_the_await = std::source_location::current().line() + 1;
  co_await child;
}

TEST(AwaitChain, Coroutine_KnowsWhereItWaitsAndWhoAwaitsIt) {
  const auto frame = outer().release();
  frame.resume();

  const resume_point point = resume_point_of(frame.address());

  EXPECT_THAT(point.text(), AllOf(HasSubstr("outer"), EndsWith("await_chain_test.cpp:" +
                                                               std::to_string(line_of_the_await))));
  EXPECT_EQ(awaiter_of(frame.address()), nullptr);
  frame.destroy();
}

TEST(AwaitChain, CoroutineThatHasNotBegun_IsKnownByItsPlace) {
  const auto frame = inner().release();

  const resume_point point = resume_point_of(frame.address());

  EXPECT_GT(point.await_site.line(), 0u);
  EXPECT_THAT(point.text(), AllOf(HasSubstr("inner() at "), HasSubstr("await_chain_test.cpp:")));
  frame.destroy();
}

TEST(AwaitChain, NoFrame_IsUnknown) {
  EXPECT_EQ(resume_point_of(nullptr).text(), "unknown code");
}

/// Not one of ours: nothing but the code is known.
struct foreign {
  struct promise_type {
    foreign get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
  std::coroutine_handle<promise_type> frame;
};
foreign of_another_library() {
  co_return;
}

TEST(AwaitChain, CoroutineOfAnotherLibrary_IsKnownByItsCode) {
  const foreign other = of_another_library();

  const resume_point point = resume_point_of(other.frame.address());

  EXPECT_EQ(point.await_site.line(), 0u);
  EXPECT_NE(point.code, nullptr);
  other.frame.destroy();
}

}  // namespace
}  // namespace weft::detail
