#include <weft/net/stream.h>
#include <weft/net/tcp.h>

#include <gtest/gtest.h>

#include <string>

namespace weft {
namespace {

TEST(StreamConcepts, TcpStreamsAndTheirHalves_AreStreams) {
  static_assert(async_reader<tcp_stream>);
  static_assert(async_writer<tcp_stream>);
  static_assert(async_reader<tcp_stream::read_half>);
  static_assert(async_writer<tcp_stream::write_half>);
}

TEST(StreamConcepts, OtherTypes_AreNot) {
  static_assert(!async_reader<std::string>);
  static_assert(!async_reader<tcp_stream::write_half>);
  static_assert(!async_writer<tcp_stream::read_half>);
}

}  // namespace
}  // namespace weft
