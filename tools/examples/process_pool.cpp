// Numbers that are counted in processes, one of which crashes: the program does not.
//
//   tools/run process_pool
#include <weft/weft.h>

#include <cstdlib>
#include <iostream>
#include <vector>

// A process of the pool is this program again. It knows the functions by their names, and serves where
// main() makes its first runtime.
const weft::process_function count_primes("count_primes", [](int from, int to) {
  int count = 0;
  for (int n = from; n < to; ++n) {
    bool prime = n > 1;
    for (int divisor = 2; prime && divisor * divisor <= n; ++divisor) prime = n % divisor != 0;
    count += prime ? 1 : 0;
  }
  return count;
});
const weft::process_function crash("crash", [] { std::abort(); });

weft::task<> app() {
  weft::process_pool_executor pool(2);

  std::vector<weft::task<int>> parts;
  for (int i = 0; i < 10; ++i)
    parts.push_back(weft::run_in_executor(pool, count_primes, i * 1000, (i + 1) * 1000));
  int total = 0;
  for (const int part : co_await weft::gather(std::move(parts))) total += part;
  std::cout << total << " primes below 10000\n";

  try {
    co_await weft::run_in_executor(pool, crash);
  } catch (const weft::broken_process_pool& error) {
    std::cout << error.what() << "\n";
  }
  const int few = co_await weft::run_in_executor(pool, count_primes, 0, 10);
  std::cout << few << " primes below 10\n";
}

int main() {
  weft::run(app());
}
