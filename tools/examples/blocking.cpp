// A call that blocks its thread, beside tasks that must not wait for it.
//
//   tools/run blocking
#include "play.h"

#include <atomic>
#include <thread>

using namespace std::chrono_literals;

/// What a library does that has never heard of coroutines.
std::string read_slowly(std::string name) {
  std::this_thread::sleep_for(300ms);
  return "contents of " + name;
}

weft::task<> tick(std::string name, std::atomic<int>& ticks) {
  for (int i = 0; i < 3; ++i) {
    co_await weft::sleep(10ms);
    ++ticks;
  }
  std::cout << name << " has ticked\n";
}

weft::task<> app() {
  std::atomic<int> ticks = 0;
  auto ticking = weft::spawn(tick("task", ticks));

  // On a thread of the runtime: this task waits, the others do not.
  const std::string first = co_await weft::to_thread(read_slowly, "one");
  std::cout << first << "\n";

  // On threads of our own, which bound how many run at once.
  weft::thread_pool_executor pool(2);
  auto [second, third] = co_await weft::gather(weft::run_in_executor(pool, read_slowly, "two"),
                                               weft::run_in_executor(pool, read_slowly, "three"));
  std::cout << second << "\n" << third << "\n";

  co_await ticking;
  std::cout << ticks << " ticks\n";
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
