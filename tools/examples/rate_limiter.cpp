// Twelve requests, of which five a second may go out.
//
//   tools/run rate_limiter
#include "play.h"

#include <vector>

using namespace std::chrono_literals;

weft::task<> request(weft::rate_limiter& limiter, weft::clock::time_point start, int number) {
  co_await limiter.acquire();
  const auto after = std::chrono::round<std::chrono::milliseconds>(weft::now() - start);
  std::cout << "request " << number << " after " << after.count() / 100 * 100 << " ms\n";
}

weft::task<> app() {
  weft::rate_limiter limiter(5, 1s);
  const auto start = weft::now();
  std::vector<weft::task<>> requests;
  for (int i = 1; i <= 12; ++i) requests.push_back(request(limiter, start, i));
  co_await weft::gather(std::move(requests));
}

int main(int argc, char** argv) {
  return play(argc, argv, app());
}
