// Dots that show progress while something slow is under way.
//
//   tools/run progress
#include "play.h"

using namespace std::chrono_literals;

weft::task<int> slow_operation() {
  co_await weft::sleep(2100ms);
  co_return 42;
}

weft::task<> dots() {
  while (true) {
    co_await weft::sleep(500ms);
    std::cout << "." << std::flush;
  }
}

weft::task<> app() {
  std::cout << "working";
  // The body ends, and takes the dots with it: no child outlives its group.
  const int answer = co_await weft::with_task_group([](weft::task_group& group) -> weft::task<int> {
    auto progress = group.spawn(dots());
    const int value = co_await slow_operation();
    progress.cancel();
    co_return value;
  });
  std::cout << " " << answer << "\n";
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
