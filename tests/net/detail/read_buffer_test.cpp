#include <weft/net/detail/read_buffer.h>
#include <weft/runtime/error.h>

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>

namespace weft::detail {
namespace {

void put(read_buffer& buffer, std::string_view bytes) {
  while (!bytes.empty()) {
    const byte_span room = buffer.room();
    const std::size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    buffer.commit(count);
    bytes.remove_prefix(count);
  }
}

TEST(ReadBuffer, EmptyOne_HasNoMemory) {
  read_buffer buffer;
  EXPECT_FALSE(buffer.has_memory());

  put(buffer, "abc");
  EXPECT_TRUE(buffer.has_memory());
  buffer.consume(3);

  EXPECT_FALSE(buffer.has_memory());
}

TEST(ReadBuffer, Bytes_ComeOutInOrder) {
  read_buffer buffer;
  std::string in;
  std::string out;
  for (int i = 0; i < 20'000; ++i) {
    const std::string piece = std::to_string(i) + ",";
    put(buffer, piece);
    in += piece;
    if (i % 3 != 0) out += buffer.take(static_cast<std::size_t>(i % 9));
  }
  out += buffer.take(buffer.size());

  EXPECT_TRUE(in == out);
}

TEST(ReadBuffer, Room_IsThereAgainWithoutGrowthWhenMostWasConsumed) {
  read_buffer buffer;
  const std::size_t first = buffer.room().size();
  put(buffer, std::string(first, 'x'));
  buffer.consume(first - 10);

  EXPECT_EQ(buffer.room().size(), first - 10);
}

TEST(ReadBuffer, Move_LeavesAnEmptyOne) {
  read_buffer buffer;
  put(buffer, "abc");

  read_buffer other(std::move(buffer));

  EXPECT_EQ(other.view(), "abc");
  EXPECT_TRUE(buffer.empty());
}

TEST(ReadCore, Until_LooksAtEachByteOnce) {
  read_core core;
  core.limit = 1000;
  read_core::until request{.separator = "--"};
  put(core.bytes, "abc-");
  EXPECT_FALSE(request.try_now(core));
  EXPECT_EQ(request.scanned, 3u);  // the separator may have begun
  put(core.bytes, "-rest");

  EXPECT_EQ(request.try_now(core), "abc--");
  EXPECT_EQ(core.bytes.view(), "rest");
}

TEST(ReadCore, Limit_TellsHowMuchMayBeSkipped) {
  read_core core;
  core.limit = 4;
  put(core.bytes, "abcdefg\r");
  read_core::until request{.separator = "\r\n"};
  try {
    (void)request.try_now(core);
    FAIL();
  } catch (const limit_overrun_error& error) {
    EXPECT_EQ(error.consumed, 7u);  // the last byte may belong to the separator
  }
  EXPECT_EQ(core.bytes.size(), 8u);
}

}  // namespace
}  // namespace weft::detail
