#include "../support/libuv_server.h"
#include "config.h"

namespace {

bench::reply echo(bench::uv_connection&, const char* input, std::size_t size,
                  std::uint64_t& messages) {
  ++messages;
  return {input, size};
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_libuv_server(argc, argv, echo, echo_buffer);
}
