#include "../disk.h"
#include <weft/fs/detail/serial_file.h>
#include <weft/fs/file.h>
#include <weft/runtime/executor.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace weft::testing {
namespace {

using fs::open_flags;

constexpr auto new_file = open_flags::read | open_flags::write | open_flags::create;

class SerialFile : public every_runtime {
 protected:
  scratch_folder folder;
};
INSTANTIATE_TEST_SUITE_P(Runtimes, SerialFile, every_kind(), name_of);

TEST_P(SerialFile, NoThreadToBeHad_FailsTheOperationAndNotTheFile) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder.with("a", "0123"));
    std::array<char, 4> buffer{};
    disk.forget_everything();
    disk.fail(call::thread_start, EAGAIN);

    // The one thread there may be is gone or not: refused, or carried out.
    const auto read = co_await as_result(file.read_some(buffer));
    disk.fail(call::thread_start, 0);
    disk.fail(call::file_read_cached, 0);
    const std::size_t count = co_await file.read_at(buffer, 0);

    if (!read.has_value()) {
      EXPECT_EQ(read.error_code(), std::errc::resource_unavailable_try_again);
    }
    EXPECT_EQ(std::string_view(buffer.data(), count), "0123");
  });
}

TEST_P(SerialFile, DestroyedByTheTaskThatTheLastOperationWoke_IsFreedOnce) {
  run([this]() -> task<> {
    watched_disk disk;
    disk.forget_everything();
    const std::string path = folder.with("a", "x");
    const std::int64_t before = take_ledger().fds;
    const auto open_read_destroy = [&]() -> task<> {
      for (int round = 0; round < 50; ++round) {
        char byte = 0;
        fs::file file = co_await fs::file::open(path);
        const std::size_t count = co_await file.read_some(std::span(&byte, 1));
        EXPECT_EQ(count, 1U);
      }
    };

    std::vector<task<>> all;
    for (int i = 0; i < 8; ++i) all.push_back(open_read_destroy());
    co_await gather(std::move(all));

    while (take_ledger().fds != before) co_await yield();
  });
}

/// Reads, tried on the worker or on the pool, and cancellations at any time: each byte is read
/// once, by somebody or by nobody whose read was cancelled before it began.
TEST_P(SerialFile, CachedUncachedAndCancelledReads_LoseAndRepeatNothing) {
  run([this]() -> task<> {
    std::mt19937_64 random(stress_seed());
    constexpr std::size_t readers = 400;
    std::string bytes;
    for (std::size_t i = 0; i < readers; ++i) bytes += std::to_string(1000 + i);
    fs::file file = co_await fs::file::open(folder.with("a", bytes));
    watched_disk disk;
    const auto read = [&]() -> task<std::string> {
      std::string four(4, '\0');
      const std::size_t count = co_await file.read_some(four);
      four.resize(count);
      co_return four;
    };
    std::vector<join_handle<std::string>> all;
    for (std::size_t i = 0; i < readers; ++i) {
      disk.fail(call::file_read_cached, random() % 2 == 0 ? EAGAIN : 0);
      all.push_back(spawn(read));
      if (random() % 4 == 0) all[random() % all.size()].cancel();
      if (random() % 8 == 0) co_await yield();
    }
    std::vector<std::string> got;
    for (auto& each : all) {
      const ending ended = co_await end_of(each);
      if (ended == ending::value) got.push_back(each.result());
    }
    disk.fail(call::file_read_cached, 0);
    for (std::string rest = co_await read(); !rest.empty(); rest = co_await read())
      got.push_back(rest);

    std::sort(got.begin(), got.end());
    std::string sorted;
    for (const std::string& piece : got) sorted += piece;
    EXPECT_EQ(sorted, bytes);
  });
}

TEST_P(SerialFile, TaskOnAnExecutor_ReadsToo) {
  run([this]() -> task<> {
    thread_pool_executor threads(1);
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    co_await file.write_all("0123");
    const std::string got = co_await spawn([&]() -> task<std::string> {
      co_await resume_on(threads);
      std::string four(4, '\0');
      (void)co_await file.read_at(four, 0);
      co_return four;
    });

    EXPECT_EQ(got, "0123");
  });
}

}  // namespace
}  // namespace weft::testing
