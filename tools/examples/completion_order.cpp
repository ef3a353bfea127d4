// Results in the order in which they arrive.
//
//   tools/run completion_order
#include "play.h"

#include <vector>

using namespace std::chrono_literals;

weft::task<std::string> fetch(std::string name, std::chrono::milliseconds delay) {
  co_await weft::sleep(delay);
  co_return name + " after " + std::to_string(delay.count()) + " ms";
}

weft::task<> app() {
  std::vector<weft::task<std::string>> pages;
  pages.push_back(fetch("slow", 300ms));
  pages.push_back(fetch("fast", 100ms));
  pages.push_back(fetch("medium", 200ms));

  auto arriving = weft::as_completed(std::move(pages));
  while (auto page = co_await arriving.next()) std::cout << page->value() << "\n";
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
