// Tasks that wait for something another task will say.
//
//   tools/run event
#include "play.h"

using namespace std::chrono_literals;

weft::task<> waiter(std::string name, weft::event& ready) {
  std::cout << name << " waits\n";
  co_await ready.wait();
  std::cout << name << " goes on\n";
}

weft::task<> setter(weft::event& ready) {
  std::cout << "setter works\n";
  co_await weft::sleep(1s);
  std::cout << "setter is ready\n";
  ready.set();
}

weft::task<> app() {
  weft::event ready;
  co_await weft::gather(waiter("one", ready), waiter("two", ready), setter(ready));
  co_await ready.wait();  // it stays set, until somebody clears it
  std::cout << "done\n";
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
