// What users get wrong. Each line that is marked has to be refused with the sentence behind it, by a
// static_assert: one that a user can act upon, among whatever else the compiler has to say.

#include <weft/runtime/gather.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/to_thread.h>

#include <memory>
#include <utility>
#include <vector>

weft::task<int> number() {
  co_return 1;
}
weft::task<> by_reference(int& to) {
  to = 1;
  co_return;
}
void plain() {}
int plain_main() {
  return 0;
}
int length(std::unique_ptr<int>) {
  return 0;
}

weft::task<> gathers() {
  auto named = number();
  auto handle = weft::spawn(number());
  std::vector<weft::task<int>> several;

  co_await weft::gather(number(), number);        // says: cannot be awaited; call a coroutine
  co_await weft::gather(number(), handle);        // says: awaitables or join_handles, not both
  co_await weft::gather(std::move(handle));       // says: a join_handle stays yours
  co_await weft::gather(named, number());         // says: std::move a named awaitable
  co_await weft::gather(several);                 // says: container of tasks into it
  co_await weft::gather(std::vector<int>{1, 2});  // says: a range is one of tasks
}

weft::task<> spawns() {
  int value = 0;
  weft::spawn(plain);                // says: returns no weft::task
  weft::spawn(by_reference, value);  // says: pass std::ref(x)
  co_return;
}

weft::task<> offloads() {
  auto owned = std::make_unique<int>(1);
  co_await weft::to_thread(length, owned);  // says: std::move what cannot be copied
}

int main() {
  weft::run(plain_main);  // says: this callable returns no weft::task
}
