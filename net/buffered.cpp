#include "buffered.h"

#include "../runtime/detail/sys.h"
#include "detail/connection_operations.h"

namespace weft {
namespace {

task<tcp_stream> connect_to(socket_address to) {
  if (to.family() != address_family::local) co_return co_await tcp_stream::connect(to);
  const int socket = detail::sys::socket(AF_UNIX, SOCK_STREAM);
  co_return co_await detail::connect_operation<tcp_stream>(socket, to);
}

task<connection> connect_buffered(socket_address to) {
  tcp_stream stream = co_await connect_to(to);
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
