#include "../support/libuv_server.h"
#include "config.h"

namespace {

bench::reply answer(bench::uv_connection& connection, const char* input, std::size_t size,
                    std::uint64_t& messages) {
  const std::size_t requests = count_requests(&connection.carried, input, size);
  messages += requests;
  return {plaintext_responses(), requests * response_size};
}

}  // namespace

int main(int argc, char** argv) {
  plaintext_responses();  // made before there are threads
  return bench::run_libuv_server(argc, argv, answer, http_buffer);
}
