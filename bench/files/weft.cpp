#include "../support/weft_main.h"
#include "fixture.h"
#include <weft/fs/file.h>
#include <weft/fs/whole_file.h>
#include <weft/runtime/gather.h>

#include <ranges>
#include <string>
#include <vector>

namespace {

weft::task<std::size_t> size_of(const std::string& path) {
  const std::string bytes = co_await weft::fs::read_file(path);
  co_return bytes.size();
}

weft::task<> read_small(benchmark::State& state) {
  const std::vector<std::string> paths = files::small();
  for (auto _ : state) {
    std::size_t sum = 0;
    const auto sizes = co_await weft::gather(paths | std::views::transform(size_of));
    for (const std::size_t size : sizes) sum += size;
    bench::require(sum == files::small_files * files::small_bytes, "sum of sizes");
  }
  bench::count_items(state, files::small_files);
}

weft::task<> read_large(benchmark::State& state) {
  const std::string path = files::large();
  std::vector<char> buffer(files::chunk_bytes);
  for (auto _ : state) {
    std::size_t sum = 0;
    weft::fs::file file = co_await weft::fs::file::open(path);
    for (std::size_t count = 1; count > 0; sum += count) {
      count = co_await file.read_some(buffer);
    }
    bench::require(sum == files::chunks * files::chunk_bytes, "size of the file");
  }
  bench::count_items(state, files::chunks);
}

BENCHMARK(bench::on_weft<read_small>)->Name("files/small")->Apply(bench::worker_counts);
BENCHMARK(bench::on_weft<read_large>)->Name("files/large")->Apply(bench::one_worker);

}  // namespace
