// The limit: system calls, one after the other on one thread.
#include "../support/bench.h"
#include "fixture.h"

#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

std::size_t size_of(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat found{};
  bench::require(::fstat(fd, &found) == 0, "status of a file");
  std::string bytes(static_cast<std::size_t>(found.st_size), '\0');
  const ssize_t count = ::read(fd, bytes.data(), bytes.size());
  ::close(fd);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

void read_small(benchmark::State& state) {
  const std::vector<std::string> paths = files::small();
  for (auto _ : state) {
    std::size_t sum = 0;
    for (const std::string& path : paths) sum += size_of(path);
    bench::require(sum == files::small_files * files::small_bytes, "sum of sizes");
  }
  bench::count_items(state, files::small_files);
}

void read_large(benchmark::State& state) {
  const std::string path = files::large();
  std::vector<char> buffer(files::chunk_bytes);
  for (auto _ : state) {
    std::size_t sum = 0;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    for (ssize_t count = 1; count > 0; sum += static_cast<std::size_t>(count))
      count = ::read(fd, buffer.data(), buffer.size());
    ::close(fd);
    bench::require(sum == files::chunks * files::chunk_bytes, "size of the file");
  }
  bench::count_items(state, files::chunks);
}

BENCHMARK(read_small)->Name("files/small")->Apply(bench::one_worker);
BENCHMARK(read_large)->Name("files/large")->Apply(bench::one_worker);

}  // namespace
