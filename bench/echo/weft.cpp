#include "../support/weft_server.h"
#include "config.h"

#include <array>
#include <span>

namespace {

weft::task<> echo(weft::tcp_stream stream) {
  bench::answered messages;
  std::array<char, echo_buffer> buffer;
  while (true) {
    const std::size_t count = co_await stream.read_some(buffer);
    if (count == 0) break;
    co_await stream.write_all(std::span(buffer).first(count));
    messages += 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_weft_server(argc, argv, echo);
}
