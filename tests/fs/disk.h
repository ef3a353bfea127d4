#pragma once

// What the tests of this module share: a folder of their own, and a disk that is slow or broken
// when they say so.

#include "../support/runtimes.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/detail/task_state.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task.h>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft::testing {

using detail::sys::call;

/// A folder that is empty at first, and gone at the end.
class scratch_folder {
 public:
  scratch_folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-fs-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  ~scratch_folder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return (path_ / name).string();
  }
  /// Writes a file, without the library.
  [[nodiscard]] std::string with(std::string_view name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return *this / name;
  }
  [[nodiscard]] static std::string contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// How many names there are.
  [[nodiscard]] std::ptrdiff_t entries() const {
    return std::distance(std::filesystem::directory_iterator(path_), {});
  }

 private:
  std::filesystem::path path_;
};

/// While it lives, it sees all system calls on files, one at a time in the process.
class watched_disk {
 public:
  watched_disk() {
    for (kind& each : kinds()) {
      each.error = 0;
      each.calls = 0;
      each.held = false;
    }
    waiting_ = 0;
    on_workers_ = 0;
    detail::sys::interposer.store(see, std::memory_order_relaxed);  // a test hook
  }
  watched_disk(const watched_disk&) = delete;
  watched_disk& operator=(const watched_disk&) = delete;
  ~watched_disk() {
    detail::sys::interposer.store(nullptr, std::memory_order_relaxed);  // a test hook
    for (kind& each : kinds()) {
      each.held = false;
      each.held.notify_all();
    }
  }

  /// From now on calls of this kind fail; 0: they do not.
  void fail(call which, int error) { of(which).error = error; }
  /// The kernel has nothing in memory.
  void forget_everything() {
    fail(call::file_open_cached, EAGAIN);
    fail(call::file_read_cached, EAGAIN);
  }
  /// Calls of this kind begin and do not go on, until release().
  void hold(call which) { of(which).held = true; }
  void release(call which) {
    of(which).held = false;
    of(which).held.notify_all();
  }
  [[nodiscard]] int calls(call which) const { return of(which).calls; }
  /// How many stand still.
  [[nodiscard]] int held() const { return waiting_; }
  /// How many that may wait were made on the thread of a worker.
  [[nodiscard]] int calls_on_workers() const { return on_workers_; }

  /// Lets others run until so many stand still.
  task<> until_held(int count) const {
    while (held() < count) co_await yield();
  }
  task<> until_called(call which, int count) const {
    while (calls(which) < count) co_await yield();
  }

 private:
  struct kind {
    std::atomic<int> error{0};
    std::atomic<int> calls{0};
    std::atomic<bool> held{false};
  };
  static std::array<kind, 64>& kinds() {
    static std::array<kind, 64> all;
    return all;
  }
  static kind& of(call which) { return kinds()[static_cast<std::size_t>(which)]; }
  static bool may_wait(call which) {
    return which == call::file_open || which == call::file_read || which == call::file_write ||
           which == call::file_sync || which == call::file_truncate || which == call::file_close ||
           which == call::path_change;
  }
  static int see(call which, int /*fd*/) noexcept {
    kind& seen = of(which);
    ++seen.calls;
    if (may_wait(which) && detail::here.worker != nullptr) ++on_workers_;
    if (seen.held) {
      ++waiting_;
      seen.held.wait(true);
      --waiting_;
    }
    return seen.error;
  }

  static inline std::atomic<int> waiting_{0};
  static inline std::atomic<int> on_workers_{0};
};

/// How something has failed: code and message, or nothing.
struct failure {
  std::error_code code;
  std::string message;
};
template <class A>
task<failure> failure_of(A awaited) {
  try {
    if constexpr (std::is_void_v<await_result_t<A>>) {
      co_await std::move(awaited);
    } else {
      static_cast<void>(co_await std::move(awaited));
    }
  } catch (const std::system_error& error) {
    co_return failure{error.code(), error.what()};
  }
  co_return failure{};
}

/// A request of the running task is there from now on.
inline void cancel_this_task() {
  detail::cancel(*detail::here.task);
}

}  // namespace weft::testing
