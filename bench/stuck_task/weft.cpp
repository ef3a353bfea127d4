#include "../support/busy.h"
#include "../support/weft_server.h"
#include "config.h"
#include <weft/runtime/as_result.h>

#include <array>
#include <chrono>
#include <span>

namespace {

weft::task<> echo(weft::tcp_stream stream) {
  bench::answered messages;
  std::array<char, echo_buffer> buffer;
  while (true) {
    // A peer that resets its connection is routine here: a value, not an exception.
    const auto count = co_await weft::as_result(stream.read_some(buffer));
    if (!count || *count == 0) break;
    co_await stream.write_all(std::span(buffer).first(*count));
    messages += 1;
  }
}

weft::task<> hog() {
  while (true) {
    bench::stay_busy(std::chrono::milliseconds(busy_ms));
    co_await weft::yield();
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_weft_server(argc, argv, echo, hog);
}
