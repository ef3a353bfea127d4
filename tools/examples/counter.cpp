// A counter that a hundred tasks add to, on all CPUs; the lock makes of each read and write one step.
//
//   tools/run counter
#include <weft/weft.h>

#include <iostream>
#include <vector>

struct counter {
  weft::mutex mutex;
  int value = 0;  // guarded by mutex
};

weft::task<> increment(counter& shared) {
  const auto lock = co_await shared.mutex.lock();
  const int seen = shared.value;
  co_await weft::yield();  // others run: without the lock they would see the same value
  shared.value = seen + 1;
}

weft::task<> app() {
  counter shared;
  std::vector<weft::task<>> tasks;
  for (int i = 0; i < 100; ++i) tasks.push_back(increment(shared));
  co_await weft::gather(std::move(tasks));
  std::cout << shared.value << "\n";
}

int main() {
  weft::run(app());
}
