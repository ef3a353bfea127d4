// Two greetings, one after the other and then together: three seconds, then two.
//
//   tools/run greeting
#include "play.h"

using namespace std::chrono_literals;

weft::task<> say_after(std::chrono::seconds delay, std::string what) {
  co_await weft::sleep(delay);
  std::cout << what << "\n";
}

weft::task<> app() {
  auto start = weft::now();
  co_await say_after(1s, "hello");
  co_await say_after(2s, "world");
  std::cout << "in sequence: " << seconds_since(start) << " s\n";

  start = weft::now();
  co_await weft::gather(say_after(1s, "hello"), say_after(2s, "world"));
  std::cout << "together: " << seconds_since(start) << " s\n";

  // The same with tasks, which run from the moment they are spawned.
  start = weft::now();
  auto first = weft::spawn(say_after(1s, "hello"));
  auto second = weft::spawn(say_after(2s, "world"));
  co_await first;
  co_await second;
  std::cout << "as tasks: " << seconds_since(start) << " s\n";
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
