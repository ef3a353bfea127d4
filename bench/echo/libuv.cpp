#include "../support/libuv_server.h"
#include "config.h"

static_assert(echo_buffer == bench::uv_input_capacity, "all contenders read as much at a time");

namespace {

bench::reply echo(bench::uv_connection&, const char* input, std::size_t size,
                  std::uint64_t& messages) {
  ++messages;
  return {input, size};
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_libuv_server(argc, argv, echo);
}
