// A wrapper that gives any awaitable a time limit and a value to fall back to, and the other two ways
// to limit time: a scope, and a deadline for the rest of a block.
//
//   tools/run time_limits
#include "play.h"

using namespace std::chrono_literals;

weft::task<std::string> slow(std::chrono::milliseconds delay) {
  co_await weft::sleep(delay);
  co_return "done after " + std::to_string(delay.count()) + " ms";
}

weft::task<std::string> or_else(weft::task<std::string> work, std::chrono::milliseconds limit,
                                std::string otherwise) {
  try {
    co_return co_await weft::wait_for(std::move(work), limit);
  } catch (const weft::timeout_error&) {  // the work was cancelled, and has ended
    co_return otherwise;
  }
}

weft::task<> two_steps() {
  const weft::deadline limit{250ms};  // for both together
  std::cout << co_await slow(100ms) << "\n";
  std::cout << co_await slow(200ms) << "\n";
}

weft::task<> app() {
  std::cout << co_await or_else(slow(100ms), 200ms, "too late") << "\n";
  std::cout << co_await or_else(slow(300ms), 200ms, "too late") << "\n";

  try {
    co_await weft::timeout(200ms, [](weft::timeout_scope& scope) -> weft::task<> {
      std::cout << co_await slow(150ms) << "\n";
      scope.reschedule(weft::now() + 200ms);  // it may take longer after all
      std::cout << co_await slow(150ms) << "\n";
      std::cout << co_await slow(150ms) << "\n";
    });
  } catch (const weft::timeout_error&) {
    std::cout << "the scope has timed out\n";
  }

  const auto outcome = co_await weft::as_result(two_steps());
  std::cout << (outcome ? "both steps\n" : "one step\n");
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
