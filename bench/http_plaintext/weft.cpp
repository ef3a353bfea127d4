// The bare stream, with the scanner that all contenders share.
#include "../support/weft_server.h"
#include "config.h"
#include <weft/runtime/as_result.h>

#include <array>
#include <string_view>

namespace {

weft::task<> answer(weft::tcp_stream stream) {
  bench::answered messages;
  std::array<char, http_buffer> buffer;
  std::size_t matched = 0;
  while (true) {
    // A peer that resets its connection is routine here: a value, not an exception.
    const auto count = co_await weft::as_result(stream.read_some(buffer));
    if (!count || *count == 0) break;
    const std::size_t requests = count_requests(&matched, buffer.data(), *count);
    if (requests == 0) continue;
    const std::string_view responses(plaintext_responses(), requests * response_size);
    co_await stream.write_all(responses);
    messages += requests;
  }
}

}  // namespace

int main(int argc, char** argv) {
  plaintext_responses();  // made before there are threads
  return bench::run_weft_server(argc, argv, answer);
}
