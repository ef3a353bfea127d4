#include "buffered.h"

namespace weft {
namespace {

task<connection> connect_buffered(socket_address to) {
  tcp_stream stream = co_await tcp_stream::connect(to);
  co_return detail::make_connection(std::move(stream));
}

task<connection> connect_buffered(std::string host, std::uint16_t port) {
  tcp_stream stream = co_await tcp_stream::connect(host, port);
  co_return detail::make_connection(std::move(stream));
}

}  // namespace

connection detail::make_connection(tcp_stream stream) {
  auto [reader, writer] = std::move(stream).split();
  return {.reader = stream_reader(std::move(reader)), .writer = stream_writer(std::move(writer))};
}

task<connection> open_connection(const socket_address& to) {
  return connect_buffered(to);
}
task<connection> open_connection(std::string_view host, std::uint16_t port) {
  return connect_buffered(std::string(host), port);
}

}  // namespace weft
