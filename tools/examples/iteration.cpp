// `async for`: over a class with next(), and over a generator, which is a coroutine that yields.
//
//   tools/run iteration
#include "play.h"

#include <optional>
#include <vector>

using namespace std::chrono_literals;

/// Counts down; each number takes a while.
class countdown {
 public:
  explicit countdown(int from) : left_(from) {}
  weft::task<std::optional<int>> next() {
    if (left_ == 0) co_return std::nullopt;
    co_await weft::sleep(100ms);
    co_return left_--;
  }

 private:
  int left_;
};
static_assert(weft::async_iterator<countdown>);

weft::async_generator<int> squares(int count) {
  for (int i = 1; i <= count; ++i) {
    co_await weft::sleep(100ms);
    co_yield i* i;
  }
}

/// Takes any of them, and is one itself.
template <weft::async_iterator Numbers>
weft::async_generator<int> even(Numbers numbers) {
  while (auto number = co_await numbers.next()) {
    if (*number % 2 == 0) co_yield *number;
  }
}

weft::task<> app() {
  countdown numbers(3);
  while (auto number = co_await numbers.next()) std::cout << *number << "\n";

  auto some = even(squares(6));
  std::vector<int> collected;
  while (auto number = co_await some.next()) collected.push_back(*number);
  for (const int each : collected) std::cout << "even square " << each << "\n";

  auto endless = squares(1'000'000);
  while (auto number = co_await endless.next()) {
    if (*number > 10) break;
    std::cout << *number << "\n";
  }
  co_await endless.aclose();  // its clean-up runs now, and may await
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
