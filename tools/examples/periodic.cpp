// A task that does something every second, and is cancelled after five of them.
//
//   tools/run periodic
#include "play.h"

using namespace std::chrono_literals;

weft::task<> periodic() {
  try {
    for (int tick = 1;; ++tick) {
      std::cout << "tick " << tick << "\n";
      co_await weft::sleep(1s);
    }
  } catch (const weft::cancelled_error&) {
    std::cout << "periodic: cleaning up\n";
    throw;  // who swallows it is not cancelled
  }
}

weft::task<> app() {
  auto ticking = weft::spawn(periodic());
  co_await weft::sleep(5s);
  ticking.cancel();
  try {
    co_await ticking;
  } catch (const weft::cancelled_error&) {
    std::cout << "periodic has been cancelled\n";
  }
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
