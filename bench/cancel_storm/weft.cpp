#include "../support/weft_main.h"
#include "config.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/sleep.h>

#include <chrono>
#include <vector>

namespace {

weft::task<> sleeper() {
  co_await weft::sleep(std::chrono::hours(1));
}

weft::task<> cancel_all(benchmark::State& state) {
  std::vector<weft::join_handle<>> handles(cancel_storm::tasks);
  for (auto _ : state) {
    for (auto& handle : handles) handle = weft::spawn(sleeper());
    co_await weft::yield();  // all sleep now
    for (auto& handle : handles) handle.cancel();
    int cancelled = 0;
    for (auto& handle : handles) {
      const auto ended = co_await weft::as_result(std::move(handle));
      cancelled += ended.cancelled() ? 1 : 0;
    }
    bench::require(cancelled == cancel_storm::tasks, "number of cancelled tasks");
  }
  bench::count_items(state, cancel_storm::tasks);
}

BENCHMARK(bench::on_weft<cancel_all>)->Name("cancel_storm")->Apply(bench::worker_counts);

}  // namespace
