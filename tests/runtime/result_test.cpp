#include <weft/runtime/error.h>
#include <weft/runtime/result.h>

#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft::testing {
namespace {

std::exception_ptr failure() {
  return std::make_exception_ptr(std::runtime_error("failed"));
}
std::error_code refused() {
  return std::make_error_code(std::errc::connection_refused);
}

TEST(Result, Value_IsHeldAndGiven) {
  result<std::string> held(std::string("text"));

  EXPECT_TRUE(held.has_value());
  EXPECT_TRUE(held);
  EXPECT_EQ(held.value(), "text");
  EXPECT_EQ(*held, "text");
  EXPECT_EQ(held->size(), 4u);
  EXPECT_EQ(held.error(), nullptr);
  EXPECT_EQ(held.error_code(), std::error_code());
  EXPECT_FALSE(held.cancelled());
}

TEST(Result, ValueOfAConstResult_IsConst) {
  const result<std::string> held(std::string("text"));

  static_assert(std::is_same_v<decltype(held.value()), const std::string&>);
  static_assert(std::is_same_v<decltype(*held), const std::string&>);
  EXPECT_EQ(held.value(), "text");
  EXPECT_EQ(*held, "text");
}

TEST(Result, ValueOfALvalue_MayBeChanged) {
  result<int> held(7);

  held.value() = 8;
  *held += 1;

  EXPECT_EQ(held.value(), 9);
}

TEST(Result, MoveOnlyValue_IsMovedOut) {
  result<std::unique_ptr<int>> one(std::make_unique<int>(7));
  result<std::unique_ptr<int>> two(std::make_unique<int>(8));

  const std::unique_ptr<int> first = std::move(one).value();
  const std::unique_ptr<int> second = *std::move(two);

  EXPECT_EQ(*first, 7);
  EXPECT_EQ(*second, 8);
}

TEST(Result, Reference_IsTheObjectItself) {
  int target = 7;

  result<int&> held(std::ref(target));

  static_assert(std::is_same_v<decltype(held.value()), int&>);
  EXPECT_EQ(&held.value(), &target);
  EXPECT_EQ(&*held, &target);
  EXPECT_EQ(&std::move(held).value(), &target);
}

TEST(Result, Void_HasNothingButItsSuccess) {
  result<void> good;
  const result<void> bad(failure());

  static_assert(std::is_void_v<decltype(good.value())>);
  EXPECT_TRUE(good.has_value());
  EXPECT_NO_THROW(good.value());
  EXPECT_FALSE(bad.has_value());
  EXPECT_THROW(bad.value(), std::runtime_error);
}

TEST(Result, Exception_IsKeptAndRethrown) {
  const std::exception_ptr error = failure();

  result<int> held(error);

  EXPECT_FALSE(held.has_value());
  EXPECT_EQ(held.error(), error);
  EXPECT_EQ(held.error_code(), std::error_code());
  EXPECT_FALSE(held.cancelled());
  EXPECT_THROW((void)held.value(), std::runtime_error);
  EXPECT_THROW((void)std::as_const(held).value(), std::runtime_error);
  EXPECT_THROW((void)std::move(held).value(), std::runtime_error);
}

TEST(Result, Cancellation_IsToldFromAFailure) {
  const result<int> cancelled(std::make_exception_ptr(cancelled_error()));

  EXPECT_TRUE(cancelled.cancelled());
  EXPECT_THROW((void)cancelled.value(), cancelled_error);
}

TEST(Result, ErrorCode_BecomesAnExceptionWhenAskedForOne) {
  const result<int> held(refused(), "connect");

  EXPECT_FALSE(held.has_value());
  EXPECT_EQ(held.error_code(), std::errc::connection_refused);
  EXPECT_FALSE(held.cancelled());
  try {
    (void)held.value();
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::connection_refused);
    EXPECT_STREQ(error.what(), "connect: Connection refused");
  }
}

TEST(Result, ErrorCodeOfASystemError_IsFound) {
  const result<int> held(std::make_exception_ptr(std::system_error(refused(), "connect")));

  EXPECT_EQ(held.error_code(), std::errc::connection_refused);
}

TEST(Result, ValueOr_GivesTheOtherOfAFailure) {
  EXPECT_EQ(result<int>(7).value_or(8), 7);
  EXPECT_EQ(result<int>(failure()).value_or(8), 8);
  EXPECT_EQ(result<std::string>(failure()).value_or("other"), "other");
}

TEST(Result, Copies_ShareTheException) {
  const result<std::string> held(failure());

  const result<std::string> copy = held;

  EXPECT_EQ(copy.error(), held.error());
}

TEST(Result, StoredValue_StandsForVoidAndReferences) {
  static_assert(std::is_same_v<value_t<int>, int>);
  static_assert(std::is_same_v<value_t<void>, std::monostate>);
  static_assert(std::is_same_v<value_t<int&>, std::reference_wrapper<int>>);
  static_assert(std::is_same_v<value_t<std::unique_ptr<int>>, std::unique_ptr<int>>);
}

}  // namespace
}  // namespace weft::testing
