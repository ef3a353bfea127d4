// Promises 8 and 9: what a runtime takes from the program around it, and that it gives all of it
// back: signal dispositions and masks, locale, limits, descriptors, threads.

#include "runtimes.h"
#include <weft/fs/file.h>
#include <weft/fs/temp.h>
#include <weft/fs/watch.h>
#include <weft/net/pipe.h>
#include <weft/net/process.h>
#include <weft/net/tcp.h>
#include <weft/net/udp.h>
#include <weft/net/unix.h>
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/signal_set.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/to_thread.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cfenv>
#include <chrono>
#include <clocale>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;

// ---- What belongs to the program ----------------------------------------------------------------

// SA_RESTORER, which the C library adds to whatever it sets, and has no name for.
constexpr int restorer = 0x0400'0000;

std::string signal_line(int signal) {
  struct sigaction action;
  if (::sigaction(signal, nullptr, &action) != 0) return {};
  std::ostringstream line;
  line << "signal " << signal << ": handler " << reinterpret_cast<void*>(action.sa_handler)
       << ", flags " << (action.sa_flags & ~restorer);
  // Without a handler the mask means nothing; the thread sanitizer sets it.
  if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) return line.str();
  line << ", blocks";
  for (int other = 1; other <= SIGRTMAX; ++other) {
    if (::sigismember(&action.sa_mask, other) == 1) line << ' ' << other;
  }
  return line.str();
}

std::string mask_line() {
  sigset_t blocked;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  std::string line = "this thread blocks";
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    if (::sigismember(&blocked, signal) == 1) line += ' ' + std::to_string(signal);
  }
  return line;
}

std::string limit_line(int resource) {
  rlimit limit{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return {};
  return "limit " + std::to_string(resource) + ": " + std::to_string(limit.rlim_cur) + " of " +
         std::to_string(limit.rlim_max);
}

/// All that a library could change behind the back of its program, one a line.
std::vector<std::string> host_state() {
  std::vector<std::string> lines;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) lines.push_back(signal_line(signal));
  for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); ++resource)
    lines.push_back(limit_line(resource));
  lines.push_back(mask_line());
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
  lines.push_back(std::string("locale ") + std::setlocale(LC_ALL, nullptr));
  lines.push_back("rounding " + std::to_string(std::fegetround()));
  lines.push_back("folder " + std::filesystem::current_path().string());
  const mode_t mask = ::umask(0);
  ::umask(mask);
  lines.push_back("umask " + std::to_string(mask));
  return lines;
}

/// The lines of `now` that were not there before.
std::vector<std::string> changes(const std::vector<std::string>& before,
                                 const std::vector<std::string>& now) {
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] != now[i]) changed.push_back(now[i]);
  }
  return changed;
}

task<> a_bit_of_everything() {
  co_await sleep(100us);
  co_await to_thread([] {});
  auto child = spawn([]() -> task<> { co_await yield(); });
  co_await child;
}

class HostProgram : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, HostProgram, ::testing::Values(std::size_t{1}, std::size_t{3}));

TEST_P(HostProgram, LifeOfARuntime_ChangesNothingOfTheProgram) {
  const std::vector<std::string> before = host_state();

  weft::run(a_bit_of_everything, {.workers = GetParam()});

  EXPECT_THAT(changes(before, host_state()), IsEmpty());
}

TEST_P(HostProgram, RuntimeThatIsAlive_ChangesNothingOfTheProgram) {
  const std::vector<std::string> before = host_state();

  runtime rt({.workers = GetParam()});
  rt.run(a_bit_of_everything);

  EXPECT_THAT(changes(before, host_state()), IsEmpty());
}

TEST_P(HostProgram, RunThatHandlesNoInterrupts_ChangesNothingMeanwhile) {
  std::vector<std::string> before = host_state();
  std::vector<std::string> during;

  weft::run(
      [&]() -> task<> {
        during = host_state();
        co_return;
      },
      {.workers = GetParam(), .handle_sigint = false});

  // A thread of the runtime takes no signals.
  if (GetParam() > 1) std::erase(before, mask_line());
  if (GetParam() > 1)
    std::erase_if(during,
                  [](const std::string& line) { return line.starts_with("this thread blocks"); });
  EXPECT_EQ(before, during);
}

std::vector<std::string> state_while_interrupts_are_handled() {
  std::vector<std::string> during;
  weft::run(
      [&]() -> task<> {
        during = host_state();
        co_return;
      },
      {.workers = 1, .handle_sigint = true});
  return during;
}

TEST(HostProgramSignals, RunThatHandlesInterrupts_TakesSigintOnly) {
  const std::vector<std::string> before = host_state();

  const std::vector<std::string> during = state_while_interrupts_are_handled();

  EXPECT_THAT(
      changes(before, during),
      ::testing::ElementsAre(::testing::StartsWith("signal " + std::to_string(SIGINT) + ":")));
  EXPECT_THAT(changes(before, host_state()), IsEmpty());
}

TEST(HostProgramSignals, HandlerOfTheProgram_StaysInCharge) {
  struct sigaction own = {};
  own.sa_handler = [](int) {};
  struct sigaction original;
  ASSERT_EQ(::sigaction(SIGINT, &own, &original), 0);
  const std::vector<std::string> before = host_state();

  const std::vector<std::string> during = state_while_interrupts_are_handled();

  EXPECT_THAT(changes(before, during), IsEmpty());
  ASSERT_EQ(::sigaction(SIGINT, &original, nullptr), 0);
}

// ---- Descriptors --------------------------------------------------------------------------------

/// What is open, but for the look itself.
std::set<int> open_descriptors() {
  std::set<int> open;
  for (int fd = 0; fd < 1024; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) open.insert(fd);
  }
  return open;
}

/// "anon_inode:[eventpoll]"
std::string kind_of(int fd) {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), ignored).string();
}

TEST_P(HostProgram, DescriptorsOfARuntime_AreNotInheritedAndDoNotBlock) {
  const std::set<int> before = open_descriptors();
  runtime rt({.workers = GetParam()});
  rt.run(a_bit_of_everything);

  int seen = 0;
  for (const int fd : open_descriptors()) {
    if (before.contains(fd)) continue;
    ++seen;
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << kind_of(fd);
    // To read a poller is to ask it, which never blocks by itself.
    if (kind_of(fd) != "anon_inode:[eventpoll]") {
      EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0) << kind_of(fd);
    }
  }

  EXPECT_GE(seen, static_cast<int>(GetParam()));
}

bool is_regular_file(int fd) {
  struct stat found{};
  return ::fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
}

/// Calls look() while one of everything is open that the library opens: 20 descriptors or more.
task<> with_one_of_each(const std::function<void()>& look) {
  const fs::temp_directory folder = co_await fs::temp_directory::create();
  tcp_listener tcp = tcp_listener::bind("127.0.0.1:0");
  const tcp_stream connected = co_await tcp_stream::connect(tcp.local_address());
  const tcp_stream accepted = co_await tcp.accept();
  const udp_socket udp = udp_socket::bind("127.0.0.1:0");
  unix_listener local = unix_listener::bind(folder.path() + "/stream");
  const unix_stream local_connected = co_await unix_stream::connect(folder.path() + "/stream");
  const unix_stream local_accepted = co_await local.accept();
  const unix_stream_pair pair = unix_stream::pair();
  const unix_datagram named = unix_datagram::bind(folder.path() + "/datagram");
  const unix_datagram unnamed = unix_datagram::unbound();
  const pipe_ends ends = pipe();
  const process::options all_piped{
      .stdin_ = process::piped, .stdout_ = process::piped, .stderr_ = process::piped};
  process child = co_await process::spawn({"cat"}, all_piped);
  const fs::temp_file temporary = co_await fs::temp_file::create(folder.path());
  const fs::file opened = co_await fs::file::open(temporary.path());
  const fs::watcher watcher = co_await fs::watch(folder.path());
  const signal_set signals{SIGUSR1};

  look();

  child.kill();
  (void)co_await child.wait();
}

TEST_P(HostProgram, DescriptorsOfEveryKind_AreNotInheritedAndDoNotBlock) {
  const std::set<int> before = open_descriptors();
  int seen = 0;
  const auto look = [&] {
    for (const int fd : open_descriptors()) {
      if (before.contains(fd)) continue;
      ++seen;
      EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << kind_of(fd);
      // To read a poller is to ask it, and the flag means nothing to a regular file.
      if (is_regular_file(fd) || kind_of(fd) == "anon_inode:[eventpoll]") continue;
      EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0) << kind_of(fd);
    }
  };

  weft::run([&]() -> task<> { co_await with_one_of_each(look); },
            {.workers = GetParam(), .inspectable = true});

  EXPECT_GE(seen, 22);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_P(HostProgram, Descriptors_AreAllClosedWithTheRuntime) {
  const std::set<int> before = open_descriptors();

  weft::run(a_bit_of_everything, {.workers = GetParam()});

  EXPECT_EQ(open_descriptors(), before);
}

// ---- Threads ------------------------------------------------------------------------------------

std::size_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

/// The kernel forgets a thread a moment after it was joined.
void expect_threads_soon(std::size_t expected) {
  const auto limit = std::chrono::steady_clock::now() + 30s;
  while (threads_of_this_process() != expected && std::chrono::steady_clock::now() < limit)
    std::this_thread::yield();
  EXPECT_EQ(threads_of_this_process(), expected);
}

TEST_P(HostProgram, Threads_AreOneAWorkerAndThoseOfThePool) {
  const std::size_t before = threads_of_this_process();
  const std::size_t workers = GetParam() == 1 ? 0 : GetParam();  // a single one is the caller's

  runtime rt({.workers = GetParam()});
  expect_threads_soon(before + workers);
  rt.run(a_bit_of_everything);

  expect_threads_soon(before + workers + rt.metrics().blocking_threads);
}

TEST_P(HostProgram, Threads_AreAllJoinedWithTheRuntime) {
  const std::size_t before = threads_of_this_process();

  for (int round = 0; round < 20; ++round) weft::run(a_bit_of_everything, {.workers = GetParam()});

  expect_threads_soon(before);
}

TEST_P(HostProgram, ThreadsOfARuntimeThatIsDestroyedWhileBusy_AreAllJoined) {
  const std::size_t before = threads_of_this_process();
  {
    runtime rt({.workers = GetParam()});
    auto endless = rt.spawn([]() -> task<> {
      for (;;) co_await to_thread([] {});
    });
    if (GetParam() == 1) rt.run(a_bit_of_everything);
  }

  expect_threads_soon(before);
}

TEST(HostProgramThreads, RuntimeThatCannotStartItsThreads_LeavesNone) {
  const std::size_t before = threads_of_this_process();
  const std::set<int> descriptors = open_descriptors();
  static std::atomic<int> let_through;
  let_through = 2;
  detail::sys::interposer = [](detail::sys::call which, int) noexcept {
    return which == detail::sys::call::epoll_create && let_through-- <= 0 ? EMFILE : 0;
  };

  EXPECT_THROW(const runtime refused({.workers = 4}), std::system_error);

  detail::sys::interposer = nullptr;
  expect_threads_soon(before);
  EXPECT_EQ(open_descriptors(), descriptors);
}

}  // namespace
}  // namespace weft::testing
