// Ten tasks, of which a semaphore lets three work at a time.
//
//   tools/run semaphore
#include "play.h"

#include <algorithm>
#include <vector>

using namespace std::chrono_literals;

struct workshop {
  weft::semaphore places{3};
  int inside = 0;
  int most = 0;
};

weft::task<> work(workshop& shop, int number) {
  const auto place = co_await shop.places.acquire();  // given back at the end of the block
  shop.most = std::max(shop.most, ++shop.inside);
  std::cout << "task " << number << " works\n";
  co_await weft::sleep(1s);
  --shop.inside;
}

weft::task<> app() {
  workshop shop;
  const auto start = weft::now();
  std::vector<weft::task<>> tasks;
  for (int i = 0; i < 10; ++i) tasks.push_back(work(shop, i));
  co_await weft::gather(std::move(tasks));
  std::cout << "at most " << shop.most << " at a time, " << seconds_since(start) << " s\n";
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
