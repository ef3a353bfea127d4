#include "runtimes.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/process_pool_executor.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::testing {

using namespace std::chrono_literals;

const process_function add("add", [](int a, int b) { return a + b; });
const process_function process_id("process_id", [] { return static_cast<int>(::getpid()); });
const process_function words_of("words_of", [](const std::string& text, std::size_t count) {
  return std::vector<std::string>(count, text);
});
const process_function fail("fail", [](std::string text) { throw std::runtime_error(text); });
const process_function crash("crash", [] { std::abort(); });
const process_function hang("hang", [] {
  while (true) ::pause();
});
const process_function read_stdin("read_stdin", [] {
  char byte = 0;
  return static_cast<int>(::read(STDIN_FILENO, &byte, 1));
});
const process_function variable("variable", []() -> std::optional<std::string> {
  const char* const value = std::getenv("WEFT_PROCESS_POOL");
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
});

// The processes of these pools are this test program: they go no further than here.
const bool served = [] {
  process_pool_executor::serve_if_asked();
  return false;
}();

namespace {

static_assert(std::is_same_v<decltype(add), const process_function<int(int, int)>>);
static_assert(transferable<std::vector<std::string>> && !transferable<int*>);

bool no_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

class ProcessPool : public every_runtime {
 protected:
  void TearDown() override { EXPECT_TRUE(no_children()); }
};
INSTANTIATE_TEST_SUITE_P(Runtimes, ProcessPool, every_kind(), name_of);

TEST_P(ProcessPool, Call_RunsInAnotherProcess) {
  run([]() -> task<> {
    process_pool_executor pool(1);

    const int sum = co_await run_in_executor(pool, add, 2, 3);
    const int other = co_await run_in_executor(pool, process_id);
    const int again = co_await run_in_executor(pool, process_id);
    const auto words = co_await run_in_executor(pool, words_of, "word", 3);

    EXPECT_EQ(sum, 5);
    EXPECT_NE(other, ::getpid());
    EXPECT_EQ(again, other);
    EXPECT_EQ(words, (std::vector<std::string>{"word", "word", "word"}));
    EXPECT_EQ(add(2, 3), 5);  // here
  });
}

TEST_P(ProcessPool, Calls_RunAtOnceInAsManyProcesses) {
  run([]() -> task<> {
    process_pool_executor pool(3);
    std::vector<task<int>> calls;
    for (int i = 0; i < 30; ++i) calls.push_back(run_in_executor(pool, process_id));

    const auto ids = co_await gather(std::move(calls));

    EXPECT_LE(std::set<int>(ids.begin(), ids.end()).size(), 3u);
    EXPECT_EQ(pool.processes(), 3u);
  });
}

TEST_P(ProcessPool, Exception_ArrivesWithItsText) {
  run([]() -> task<> {
    process_pool_executor pool(1);

    std::string what;
    try {
      co_await run_in_executor(pool, fail, "of its own");
    } catch (const std::runtime_error& error) {
      what = error.what();
    }
    const int sum = co_await run_in_executor(pool, add, 1, 1);

    EXPECT_EQ(what, "of its own");
    EXPECT_EQ(sum, 2);
  });
}

TEST_P(ProcessPool, Crash_BreaksItsCallAndNoOther) {
  run([]() -> task<> {
    process_pool_executor pool(2);
    const int before = co_await run_in_executor(pool, process_id);

    const auto crashed = co_await catch_all(run_in_executor(pool, crash));
    const int after = co_await run_in_executor(pool, process_id);

    EXPECT_TRUE(crashed.threw<broken_process_pool>());
    EXPECT_NE(after, before);
  });
}

TEST_P(ProcessPool, IdleProcessThatWasKilled_IsReplaced) {
  run([]() -> task<> {
    process_pool_executor pool(1);
    const int before = co_await run_in_executor(pool, process_id);
    ::kill(before, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(before), &info, WEXITED | WNOWAIT);

    const int after = co_await run_in_executor(pool, process_id);

    EXPECT_NE(after, before);
  });
}

TEST_P(ProcessPool, CancelledCall_EndsItsProcess) {
  run([]() -> task<> {
    process_pool_executor pool(1);
    const int before = co_await run_in_executor(pool, process_id);
    auto hangs = spawn(
        [](process_pool_executor& on) -> task<> { co_await run_in_executor(on, hang); }(pool));
    auto never_begins = spawn(
        [](process_pool_executor& on) -> task<> { co_await run_in_executor(on, crash); }(pool));
    co_await until_waiting(hangs);
    co_await until_waiting(never_begins);

    never_begins.cancel();
    const ending unbegun = co_await ending_of(never_begins);
    hangs.cancel();
    const ending how = co_await ending_of(hangs);
    const int after = co_await run_in_executor(pool, process_id);

    EXPECT_EQ(unbegun, ending::cancelled);
    EXPECT_EQ(how, ending::cancelled);
    EXPECT_NE(after, 0);
    static_cast<void>(before);  // the same one, if the call had not reached it
  });
}

TEST_P(ProcessPool, Submit_GivesAFuture) {
  run([]() -> task<> {
    process_pool_executor pool(2);
    auto sum = pool.submit(add, 20, 22);
    auto nothing = pool.submit(fail, "text");

    const int value = co_await sum;
    const auto failed = co_await catch_all(std::move(nothing));

    EXPECT_EQ(value, 42);
    EXPECT_TRUE(failed.threw<std::runtime_error>());
  });
}

TEST_P(ProcessPool, Processes_HaveAnEmptyInputAndNoMark) {
  run([]() -> task<> {
    process_pool_executor pool(1);

    const int read = co_await run_in_executor(pool, read_stdin);
    const auto mark = co_await run_in_executor(pool, variable);

    EXPECT_EQ(read, 0);
    EXPECT_FALSE(mark.has_value());
  });
}

int one() {
  return 1;
}

TEST_P(ProcessPool, FunctionThatTheyDoNotHave_IsAnError) {
  run([]() -> task<> {
    const process_function late("late", one);  // they have begun to serve before
    process_pool_executor pool(1);

    const auto unknown = co_await catch_all(run_in_executor(pool, late));

    EXPECT_TRUE(unknown.threw<std::logic_error>());
  });
}

TEST(ProcessPoolOptions, NoProcesses_AreRefused) {
  EXPECT_THROW(process_pool_executor(0), std::invalid_argument);
}

}  // namespace
}  // namespace weft::testing
