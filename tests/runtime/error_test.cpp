#include <weft/runtime/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class E>
constexpr bool is_a_runtime_error = std::is_base_of_v<std::runtime_error, E>;
template <class E>
constexpr bool is_a_logic_error = std::is_base_of_v<std::logic_error, E>;

// ---- The types ---------------------------------------------------------------------------------

TEST(CancelledError, Type_IsNoStdExceptionAndDefaultConstructible) {
  static_assert(!std::is_base_of_v<std::exception, cancelled_error>);
  static_assert(std::is_nothrow_default_constructible_v<cancelled_error>);
  static_assert(std::is_nothrow_copy_constructible_v<cancelled_error>);

  EXPECT_STREQ(cancelled_error().what(), "task cancelled");
}

TEST(Errors, EachType_HasItsPlaceUnderTheStandardOnes) {
  static_assert(is_a_runtime_error<timeout_error>);
  static_assert(is_a_runtime_error<queue_empty> && is_a_runtime_error<queue_full> &&
                is_a_runtime_error<queue_shut_down>);
  static_assert(is_a_runtime_error<broken_barrier_error>);
  static_assert(is_a_runtime_error<incomplete_read_error>);
  static_assert(is_a_runtime_error<limit_overrun_error>);
  static_assert(is_a_runtime_error<deadlock_error>);
  static_assert(is_a_logic_error<invalid_state_error>);
  static_assert(is_a_logic_error<broken_promise>);
  static_assert(std::is_base_of_v<std::exception, exception_group>);

  EXPECT_STREQ(timeout_error().what(), "timed out");
  EXPECT_STREQ(invalid_state_error("said so").what(), "said so");
}

TEST(IncompleteReadError, Message_SaysHowMuchCame) {
  const incomplete_read_error of_a_count("abc", 10);
  const incomplete_read_error of_a_separator("abc", 0);

  EXPECT_EQ(of_a_count.partial, "abc");
  EXPECT_EQ(of_a_count.expected, 10u);
  EXPECT_STREQ(of_a_count.what(), "stream ended after 3 bytes of 10");
  EXPECT_STREQ(of_a_separator.what(), "stream ended after 3 bytes");
}

TEST(LimitOverrunError, Consumed_IsWhatMayBeSkipped) {
  const limit_overrun_error error("no separator within 8 bytes", 7);

  EXPECT_EQ(error.consumed, 7u);
  EXPECT_THAT(error.what(), HasSubstr("8 bytes"));
}

TEST(SystemError, FailedCall_IsNamedWithItsObject) {
  try {
    detail::throw_system_error(ECONNREFUSED, "connect 127.0.0.1:80");
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::connection_refused);
    EXPECT_STREQ(error.what(), "connect 127.0.0.1:80: Connection refused");
  }
}

// ---- exception_group ---------------------------------------------------------------------------

template <class E>
std::exception_ptr failure(E error) {
  return std::make_exception_ptr(std::move(error));
}

TEST(ExceptionGroup, Message_CountsTheMembers) {
  const exception_group one("errors", {failure(std::runtime_error("a"))});
  const exception_group two("errors", {failure(std::runtime_error("a")), failure(7)});

  EXPECT_STREQ(one.what(), "errors (1 exception)");
  EXPECT_STREQ(two.what(), "errors (2 exceptions)");
}

TEST(ExceptionGroup, Exceptions_AreTheVeryOnesInTheirOrder) {
  const std::exception_ptr a = failure(std::runtime_error("a"));
  const std::exception_ptr b = failure(std::logic_error("b"));

  const exception_group group("errors", {a, b});

  ASSERT_EQ(group.exceptions().size(), 2u);
  EXPECT_EQ(group.exceptions()[0], a);
  EXPECT_EQ(group.exceptions()[1], b);
}

TEST(ExceptionGroup, ForEach_VisitsTheMembersOfTheType) {
  const exception_group group("errors", {failure(std::runtime_error("a")), failure(7),
                                         failure(std::logic_error("b")), failure(timeout_error())});
  std::vector<std::string> seen;
  const auto note = [&](const std::exception& each) { seen.push_back(each.what()); };

  const std::size_t count = group.for_each<std::runtime_error>(note);

  EXPECT_EQ(count, 2u);
  EXPECT_THAT(seen, ElementsAre("a", "timed out"));
  EXPECT_EQ(group.for_each<int>([](int value) { EXPECT_EQ(value, 7); }), 1u);
  EXPECT_EQ(group.for_each<std::bad_alloc>(note), 0u);
}

TEST(ExceptionGroup, ForEach_LooksIntoNestedGroups) {
  const exception_group inner("inner", {failure(std::runtime_error("b")), failure(7)});
  const exception_group middle("middle", {failure(inner), failure(std::runtime_error("c"))});
  const exception_group outer("outer", {failure(std::runtime_error("a")), failure(middle)});
  std::vector<std::string> seen;

  const std::size_t count = outer.for_each<std::runtime_error>(
      [&](const std::runtime_error& each) { seen.push_back(each.what()); });

  EXPECT_EQ(count, 3u);
  EXPECT_THAT(seen, ElementsAre("a", "b", "c"));
}

// A group is a std::exception itself, but not the failure that the caller looks for.
TEST(ExceptionGroup, ForEachStdException_VisitsTheFailuresInNestedGroups) {
  const exception_group inner("inner", {failure(std::runtime_error("b")), failure(7)});
  const exception_group outer("outer", {failure(std::logic_error("a")), failure(inner)});
  std::vector<std::string> seen;

  const std::size_t count = outer.for_each<std::exception>(
      [&](const std::exception& each) { seen.push_back(each.what()); });

  EXPECT_EQ(count, 2u);
  EXPECT_THAT(seen, ElementsAre("a", "b"));
}

TEST(ExceptionGroup, ForEachGroup_VisitsTheNestedGroups) {
  const exception_group inner("inner", {failure(7)});
  const exception_group middle("middle", {failure(inner)});
  const exception_group outer("outer", {failure(middle), failure(8)});
  std::vector<std::string> seen;

  const std::size_t count = outer.for_each<exception_group>(
      [&](const exception_group& each) { seen.push_back(each.what()); });

  EXPECT_EQ(count, 2u);
  EXPECT_THAT(seen, ElementsAre("middle (1 exception)", "inner (1 exception)"));
}

TEST(ExceptionGroup, ForEach_CallsOneFunctionObject) {
  struct counting {
    int calls = 0;
    void operator()(const std::runtime_error&) { ++calls; }
  } counter;
  const exception_group inner("inner", {failure(std::runtime_error("b"))});
  const exception_group outer("outer", {failure(std::runtime_error("a")), failure(inner)});

  outer.for_each<std::runtime_error>(counter);

  EXPECT_EQ(counter.calls, 2);
}

TEST(ExceptionGroup, ForEach_LetsTheExceptionsOfTheCallThrough) {
  const exception_group group("errors", {failure(std::runtime_error("a"))});

  EXPECT_THROW(group.for_each<std::runtime_error>([](const std::runtime_error&) { throw 7; }), int);
}

TEST(ExceptionGroup, Copy_SharesTheMembers) {
  const exception_group group("errors", {failure(std::runtime_error("a"))});

  const exception_group copy = group;

  EXPECT_STREQ(copy.what(), group.what());
  EXPECT_EQ(copy.exceptions()[0], group.exceptions()[0]);
}

}  // namespace
}  // namespace weft::testing
