// gather() when some of its children fail: the first failure is rethrown and cancels the others, or,
// with return_exceptions, each failure is a value and nobody disturbs anybody.
//
//   tools/run failures
#include "play.h"

#include <stdexcept>

using namespace std::chrono_literals;

weft::task<int> divide(int a, int b) {
  co_await weft::sleep(100ms);
  if (b == 0) throw std::domain_error(std::to_string(a) + " divided by zero");
  co_return a / b;
}

weft::task<> app() {
  try {
    auto [x, y] = co_await weft::gather(divide(6, 2), divide(1, 0));
    std::cout << x << " " << y << "\n";
  } catch (const std::domain_error& error) {
    std::cout << "gather failed: " << error.what() << "\n";
  }

  auto [good, bad, other] =
      co_await weft::gather(weft::return_exceptions, divide(6, 2), divide(1, 0), divide(9, 3));
  for (const weft::result<int>& each : {good, bad, other}) {
    try {
      const int value = each.value();
      std::cout << "value: " << value << "\n";
    } catch (const std::exception& error) {
      std::cout << "error: " << error.what() << "\n";
    }
  }
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
