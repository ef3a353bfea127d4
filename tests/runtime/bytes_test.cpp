#include <weft/runtime/bytes.h>

#include <gtest/gtest.h>

#include <array>
#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {
namespace {

std::string_view text_of(byte_view bytes) {
  return bytes.text();
}

TEST(ByteView, Literal_HasNoNul) {
  EXPECT_EQ(text_of("abc"), "abc");
}

TEST(ByteView, Text_IsTakenAsItIs) {
  using namespace std::string_view_literals;
  const std::string text = "with a \0 inside";

  EXPECT_EQ(text_of(text), text);
  EXPECT_EQ(text_of("a\0b"sv), "a\0b"sv);
}

TEST(ByteView, AnyContiguousRangeOfBytes_IsTaken) {
  const std::vector<unsigned char> numbers{'x', 'y'};
  const std::array<std::byte, 2> raw{std::byte{'x'}, std::byte{'y'}};
  const unsigned char plain[2] = {'x', 'y'};
  const char buffer[4] = {'x', 'y', 'z', 'z'};

  EXPECT_EQ(text_of(numbers), "xy");
  EXPECT_EQ(text_of(raw), "xy");
  EXPECT_EQ(text_of(plain), "xy");
  EXPECT_EQ(text_of(std::span(buffer).first(2)), "xy");
}

TEST(ByteView, WritableCharArray_IsTextUpToItsNul) {
  char formatted[16] = "abc";
  char full[3] = {'x', 'y', 'z'};

  EXPECT_EQ(text_of(formatted), "abc");
  EXPECT_EQ(text_of(full), "xyz");
  EXPECT_EQ(text_of(std::span(formatted).first(5)), std::string_view("abc\0\0", 5));
}

TEST(ByteView, WhatIsNoBytes_IsRefused) {
  static_assert(std::convertible_to<const char(&)[8], byte_view>);
  static_assert(!std::convertible_to<std::vector<int>, byte_view>);
}

TEST(ByteView, Subspan_DropsTheFront) {
  EXPECT_EQ(byte_view("abc").subspan(1).text(), "bc");
  EXPECT_TRUE(byte_view("abc").subspan(3).empty());
}

TEST(ByteSpan, AnyContiguousRangeOfBytes_IsTaken) {
  std::string text(3, ' ');
  std::array<char, 4> array{};
  std::vector<std::byte> raw(5);
  char plain[6];

  EXPECT_EQ(byte_span(text).size(), 3u);
  EXPECT_EQ(byte_span(array).size(), 4u);
  EXPECT_EQ(byte_span(raw).size(), 5u);
  EXPECT_EQ(byte_span(plain).size(), 6u);
  EXPECT_EQ(byte_span(std::span(plain).first(2)).size(), 2u);
}

TEST(ByteSpan, WhatCannotBeWrittenTo_IsRefused) {
  static_assert(!std::convertible_to<const std::string&, byte_span>);
  static_assert(!std::convertible_to<std::string, byte_span>);
  static_assert(!std::convertible_to<std::string_view, byte_span>);
  static_assert(std::convertible_to<std::span<char>, byte_span>);
}

}  // namespace
}  // namespace weft
