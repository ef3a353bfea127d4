#include "runtimes.h"
#include <weft/runtime/detail/inspection.h>
#include <weft/runtime/detail/sys.h>
#include <weft/sync/event.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::detail {
namespace {

using namespace weft::testing;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// A connection to the process that weft-ps would ask, with plain calls: none of them allocates
/// before read_all().
class asking {
 public:
  explicit asking(pid_t process = ::getpid())
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const int length = std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
                                     "weft-ps/%d", static_cast<int>(process));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1) +
                      static_cast<socklen_t>(length);
    open_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0;
  }
  asking(const asking&) = delete;
  asking& operator=(const asking&) = delete;
  ~asking() { ::close(fd_); }

  [[nodiscard]] bool is_open() const noexcept { return open_; }
  /// 0 at the end.
  ssize_t read_some(char* into, std::size_t size) const noexcept {
    return ::recv(fd_, into, size, 0);
  }
  [[nodiscard]] std::string read_all() const {
    std::string all;
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t count = read_some(buffer.data(), buffer.size());
      if (count <= 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

 private:
  int fd_;
  bool open_ = false;
};

task<> wait_for(event& gate) {
  co_await gate.wait();
}

TEST(Inspection, Answer_TellsOfEachTask) {
  runtime rt({.workers = 2, .inspectable = true, .name = "the one"});
  std::string answer;
  std::uint64_t main_id = 0, child_id = 0;

  rt.run([&]() -> task<> {
    event gate;
    auto child = spawn(wait_for(gate), {.name = "a\nchild"});
    main_id = this_task::id();
    child_id = child.id();
    co_await until_waiting(child);
    answer = asking().read_all();
    gate.set();
    co_await child;
  });

  const std::string main_number = std::to_string(main_id);
  EXPECT_THAT(answer, StartsWith(std::string(inspection_greeting) + "runtime 2 the one\nmetric "));
  EXPECT_THAT(answer, HasSubstr("\nmetric tasks_alive 2\n"));
  EXPECT_THAT(answer, HasSubstr("task " + main_number + " 0 running\nname main\n"));
  EXPECT_THAT(answer, HasSubstr("task " + std::to_string(child_id) + ' ' + main_number +
                                " suspended\nname a child\nwhere event::wait()\nat "));
  EXPECT_THAT(answer, ContainsRegex("at .*wait_for.*inspection_test\\.cpp:[0-9]+\n"));
  EXPECT_THAT(answer, EndsWith("end\n"));
}

TEST(Inspection, WhoIsAwaited_IsTold) {
  runtime rt({.workers = 1, .inspectable = true});
  std::string answer;
  std::uint64_t child_id = 0;

  rt.run([&]() -> task<> {
    event gate;
    auto child = spawn(wait_for(gate));
    child_id = child.id();
    auto parent = spawn([](join_handle<>& of) -> task<> { co_await of; }, std::ref(child));
    co_await until_waiting(parent);
    answer = asking().read_all();
    gate.set();
    co_await parent;
  });

  EXPECT_THAT(answer, HasSubstr("where a task\nawaits " + std::to_string(child_id) + '\n'));
}

// Also while no worker can answer.
TEST(Inspection, StuckWorkers_DoNotKeepItFromAnswering) {
  std::latch begun(1), go_on(1);
  runtime rt({.workers = 1, .inspectable = true});
  std::string answer;
  std::thread outside([&] {
    begun.wait();
    answer = asking().read_all();
    go_on.count_down();
  });

  rt.run([&]() -> task<> {
    begun.count_down();
    go_on.wait();
    co_return;
  });

  outside.join();
  EXPECT_THAT(answer, HasSubstr("running\nname main\n"));
}

TEST(Inspection, Unasked_NobodyListens) {
  const runtime rt({.workers = 1});

  EXPECT_FALSE(asking().is_open());
}

TEST(Inspection, RuntimeThatIsGone_IsNotListenedFor) {
  {
    const runtime rt({.workers = 1, .inspectable = true});
  }

  EXPECT_FALSE(asking().is_open());
  EXPECT_EQ(sys::open_descriptors(), 0);
}

TEST(Inspection, Runtimes_ShareOneSocket) {
  const runtime hidden({.workers = 1, .name = "hidden"});
  const runtime first({.workers = 1, .inspectable = true, .name = "first"});
  std::string of_both;
  {
    const runtime second({.workers = 1, .inspectable = true, .name = "second"});
    of_both = asking().read_all();
  }
  const std::string of_one = asking().read_all();

  EXPECT_THAT(of_both, AllOf(HasSubstr("runtime 1 first\n"), HasSubstr("runtime 1 second\n"),
                             Not(HasSubstr("hidden"))));
  EXPECT_THAT(of_one, AllOf(HasSubstr("runtime 1 first\n"), Not(HasSubstr("second"))));
}

TEST(Inspection, Environment_TurnsItOn) {
  const auto listens = [](const char* value) {
    ::setenv("WEFT_PS", value, 1);  // NOLINT(concurrency-mt-unsafe): one thread
    const runtime rt({.workers = 1});
    const bool open = asking().is_open();
    ::unsetenv("WEFT_PS");  // NOLINT(concurrency-mt-unsafe): as above
    return open;
  };

  EXPECT_TRUE(listens("1"));
  EXPECT_FALSE(listens("0"));
  EXPECT_FALSE(listens(""));
}

/// Fails each listening while it lives.
struct no_listening {
  no_listening() noexcept {
    sys::interposer = [](sys::call which, int) noexcept {
      return which == sys::call::listen ? EADDRINUSE : 0;
    };
  }
  ~no_listening() { sys::interposer = nullptr; }
};
std::vector<std::string> told;

TEST(Inspection, SocketThatCannotBeHad_IsReportedAndTheProgramRuns) {
  const no_listening fault;
  told.clear();
  runtime rt({.workers = 1, .inspectable = true, .exception_handler = [](const auto& context) {
                told.emplace_back(context.message);
              }});

  const int value = rt.run([]() -> task<int> { co_return 7; });

  EXPECT_EQ(value, 7);
  EXPECT_THAT(told, ::testing::ElementsAre(HasSubstr("weft-ps: listen: ")));
}

/// What a child of ours, as another user, is told: the number of bytes. Async-signal-safe calls
/// only.
int bytes_told_to_user(uid_t user) {
  const pid_t asked = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setuid(user) != 0) ::_exit(99);
    const asking question(asked);
    if (!question.is_open()) ::_exit(98);
    char byte = 0;
    ::_exit(question.read_some(&byte, 1) == 1 ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST(Inspection, OtherUsers_AreToldNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const runtime rt({.workers = 1, .inspectable = true});

  EXPECT_EQ(bytes_told_to_user(65534), 0);
  EXPECT_EQ(bytes_told_to_user(0), 1);
}

// Its answer is larger than what a socket holds.
TEST(Inspection, ClientThatDoesNotRead_DoesNotHoldUpTheEnd) {
  std::optional<asking> silent;
  {
    runtime rt({.workers = 1, .inspectable = true});
    rt.run([&]() -> task<> {
      event gate;
      const std::string name(1000, 'x');
      std::vector<join_handle<>> waiting;
      for (int i = 0; i < 2000; ++i) waiting.push_back(spawn(wait_for(gate), {.name = name}));
      co_await yield();
      silent.emplace();
      std::array<char, 100> begin{};
      EXPECT_GT(silent->read_some(begin.data(), begin.size()), 0);
      gate.set();
      for (join_handle<>& each : waiting) co_await each;
    });
  }

  EXPECT_THAT(silent->read_all(), Not(EndsWith("end\n")));
}

TEST(InspectionStress, LooksThatMeetTheEndsOfTasks_HarmNobody) {
  runtime rt({.workers = 4, .inspectable = true});
  std::atomic<bool> ended{false};
  std::atomic<int> whole{0};
  std::thread outside([&] {
    while (!ended) {
      if (asking().read_all().ends_with("end\n")) ++whole;
    }
  });

  rt.run([&]() -> task<> {
    while (whole < 20) {
      event gate;
      std::vector<join_handle<>> waiting;
      for (int i = 0; i < 50; ++i) waiting.push_back(spawn(wait_for(gate)));
      co_await yield();
      gate.set();
      for (join_handle<>& each : waiting) co_await each;
    }
  });

  ended = true;
  outside.join();
}

}  // namespace
}  // namespace weft::detail
