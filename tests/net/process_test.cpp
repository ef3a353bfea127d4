#include "loopback.h"
#include <weft/net/process.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/select.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::testing {
namespace {

static_assert(std::is_trivially_destructible_v<process::options>);
static_assert(std::is_nothrow_move_constructible_v<process>);
static_assert(!std::is_copy_constructible_v<process>);
static_assert(!std::is_constructible_v<argv, int>);

/// No child of this program is left, dead or alive.
bool no_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

class Process : public on_loopback {
 protected:
  void TearDown() override { EXPECT_TRUE(no_children()); }
};
INSTANTIATE_TEST_SUITE_P(Workers, Process, ::testing::Values(1, 4));

constexpr process::options both_piped{.stdin_ = process::piped, .stdout_ = process::piped};

// ---- argv ---------------------------------------------------------------------------------------

TEST(Argv, WordsOfEveryKind_AreCopied) {
  const std::string named = "named";
  const std::vector<std::string> strings{"a", "b"};
  const std::array<std::string_view, 2> views{"c", "d"};

  EXPECT_EQ(argv({"one"}).words(), std::vector<std::string>{"one"});
  EXPECT_EQ(argv({"one", named, std::string_view("three")}).words(),
            (std::vector<std::string>{"one", "named", "three"}));
  EXPECT_EQ(argv(strings).words(), strings);
  EXPECT_EQ(argv(views).words(), (std::vector<std::string>{"c", "d"}));
}

// ---- Status -------------------------------------------------------------------------------------

TEST_P(Process, Status_IsTheCodeOrTheSignal) {
  run([]() -> task<> {
    auto fails = co_await process::spawn({"sh", "-c", "exit 3"});
    auto dies = co_await process::spawn({"sh", "-c", "kill -KILL $$"});
    auto works = co_await process::spawn({"true"});

    const exit_status failed = co_await fails.wait();
    const exit_status killed = co_await dies.wait();
    const exit_status worked = co_await works.wait();

    EXPECT_EQ(failed.code(), 3);
    EXPECT_EQ(failed.signal(), 0);
    EXPECT_EQ(killed.code(), -SIGKILL);
    EXPECT_EQ(killed.signal(), SIGKILL);
    EXPECT_FALSE(killed.success());
    EXPECT_TRUE(worked.success());
  });
}

TEST_P(Process, Waiters_AreManyAndAllGetTheStatus) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"cat"}, both_piped);
    std::vector<join_handle<exit_status>> waiters;
    for (int i = 0; i < 5; ++i) waiters.push_back(spawn(child.wait()));
    for (auto& each : waiters) co_await until_waiting(each);
    waiters[0].cancel();
    waiters[2].cancel();
    const auto cancelled = co_await as_result(std::move(waiters[0]));

    co_await child.stdin_().close();
    const exit_status second = co_await waiters[1];
    const exit_status last = co_await waiters[4];
    const exit_status again = co_await child.wait();

    EXPECT_TRUE(cancelled.cancelled());
    EXPECT_TRUE(second.success());
    EXPECT_TRUE(last.success());
    EXPECT_TRUE(again.success());
    EXPECT_FALSE(child.kill());
    EXPECT_GT(child.pid(), 0);
  });
}

TEST_P(Process, WaitInASelect_LosesWithoutHarm) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"cat"}, both_piped);

    const auto first = co_await select(child.wait(), sleep(1us));
    EXPECT_EQ(first.index(), 1u);
    EXPECT_TRUE(child.terminate());
    const exit_status status = co_await child.wait();

    EXPECT_EQ(status.signal(), SIGTERM);
  });
}

TEST_P(Process, Wait_EndsWithTheProcessAlone) {
  run([]() -> task<> {
    // A grandchild keeps the pipe for as long as its own input is open.
    auto child = co_await process::spawn({"sh", "-c", "cat <&0 & echo $!; exit 5"}, both_piped);

    const exit_status status = co_await child.wait();
    const auto grandchild = co_await child.stdout_().read_line();

    EXPECT_EQ(status.code(), 5);
    EXPECT_TRUE(grandchild.has_value());
    ::kill(static_cast<pid_t>(std::stol(*grandchild)), SIGKILL);
    const auto rest = co_await child.stdout_().read_all();
    EXPECT_EQ(rest, "");
  });
}

// ---- Streams ------------------------------------------------------------------------------------

TEST_P(Process, PipedStreams_CarryAConversation) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"cat"}, both_piped);

    co_await child.stdin_().write_all("one\n");
    const auto first = co_await child.stdout_().read_line();
    co_await child.stdin_().write_all("two\n");
    const auto second = co_await child.stdout_().read_line();
    co_await child.stdin_().close();
    const auto end = co_await child.stdout_().read_line();
    const exit_status status = co_await child.wait();

    EXPECT_EQ(first, "one");
    EXPECT_EQ(second, "two");
    EXPECT_FALSE(end.has_value());
    EXPECT_TRUE(status.success());
  });
}

TEST_P(Process, Output_IsStillThereAfterTheEnd) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"echo", "hello"}, {.stdout_ = process::piped});
    (void)co_await child.wait();

    const auto line = co_await child.stdout_().read_line();

    EXPECT_EQ(line, "hello");
  });
}

TEST_P(Process, StreamThatIsNotPiped_IsAnError) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"true"});

    EXPECT_THROW((void)child.stdin_(), invalid_state_error);
    EXPECT_THROW((void)child.stdout_(), invalid_state_error);
    EXPECT_THROW((void)child.stderr_(), invalid_state_error);
    EXPECT_THROW((void)process::spawn({"true"}, {.stdout_ = process::to_stdout}),
                 std::invalid_argument);
    (void)co_await child.wait();
  });
}

TEST_P(Process, Streams_CanBeJoinedOrThrownAway) {
  run([]() -> task<> {
    const std::string script = "echo out; echo err >&2";
    const auto apart = co_await run_process({"sh", "-c", script});
    const auto joined = co_await run_process({"sh", "-c", script}, {.stderr_ = process::to_stdout});
    const auto quiet = co_await run_process({"sh", "-c", script}, {.stdout_ = process::null});

    EXPECT_EQ(apart.out, "out\n");
    EXPECT_EQ(apart.err, "err\n");
    EXPECT_EQ(joined.out, "out\nerr\n");
    EXPECT_EQ(joined.err, "");
    EXPECT_EQ(quiet.out, "");
    EXPECT_EQ(quiet.err, "err\n");
  });
}

// ---- communicate and run_process ----------------------------------------------------------------

TEST_P(Process, Communicate_IsNotStoppedByFullPipes) {
  run([]() -> task<> {
    // It writes each line to both of its streams before it reads the next one.
    auto child = co_await process::spawn(
        {"tee", "/dev/stderr"},
        {.stdin_ = process::piped, .stdout_ = process::piped, .stderr_ = process::piped});
    const std::string input = pattern(1'000'000);

    const auto [out, err] = co_await child.communicate(input);

    EXPECT_EQ(out, input);
    EXPECT_EQ(err, input);
  });
}

TEST_P(Process, ProcessThatDoesNotReadItsInput_IsNoError) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"true"}, both_piped);
    const std::string input = pattern(1'000'000);

    const auto [out, err] = co_await child.communicate(input);
    const exit_status status = co_await child.wait();

    EXPECT_EQ(out + err, "");
    EXPECT_TRUE(status.success());
  });
}

TEST_P(Process, WriteToAProcessThatHasEnded_FailsWithoutASignal) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"true"}, both_piped);
    (void)co_await child.wait();

    const auto outcome = co_await as_result(child.stdin_().write_all("x"));

    EXPECT_EQ(outcome.error_code(), std::errc::broken_pipe);
  });
}

TEST_P(Process, RunProcess_GivesStatusAndOutput) {
  run([]() -> task<> {
    const auto failed = co_await run_process({"sh", "-c", "cat; echo said; exit 4"});
    const std::array<std::string_view, 1> env{"WEFT_A=b"};
    const auto placed =
        co_await run_process({"/bin/sh", "-c", "pwd; echo $WEFT_A"}, {.cwd = "/", .env = env});

    EXPECT_EQ(failed.status.code(), 4);
    EXPECT_EQ(failed.out, "said\n");  // its input was empty, not ours
    EXPECT_EQ(placed.out, "/\nb\n");
  });
}

TEST_P(Process, ManyAtOnce_EachGetTheirOwn) {
  run([]() -> task<> {
    std::vector<task<completed_process>> all;
    for (int i = 0; i < 50; ++i)
      all.push_back(run_process({"sh", "-c", "echo $0; exit $0", std::to_string(i)}));

    const auto ended = co_await gather(std::move(all));

    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(ended[static_cast<std::size_t>(i)].status.code(), i);
      EXPECT_EQ(ended[static_cast<std::size_t>(i)].out, std::to_string(i) + "\n");
    }
  });
}

// ---- Failures -----------------------------------------------------------------------------------

TEST_P(Process, ChildOfSomebodyElse_IsNotReaped) {
  const pid_t of_the_program = ::fork();
  if (of_the_program == 0) ::_exit(7);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(of_the_program), &info, WEXITED | WNOWAIT), 0);

  run([]() -> task<> {
    for (int i = 0; i < 3; ++i) {
      const auto ended = co_await run_process({"true"});
      EXPECT_TRUE(ended.status.success());
    }
    auto dropped = co_await process::spawn({"sleep", "1000"});
  });

  int status = 0;
  EXPECT_EQ(::waitpid(of_the_program, &status, 0), of_the_program);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_P(Process, ProgramThatDoesNotExist_IsNamed) {
  run([]() -> task<> {
    std::string what;
    try {
      (void)co_await process::spawn({"no-such-program", "x"}, both_piped);
    } catch (const std::system_error& error) {
      what = error.what();
      EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
    }

    EXPECT_NE(what.find("no-such-program"), std::string::npos) << what;
  });
}

TEST_P(Process, DescriptorsThatRunOut_AreAnErrorAndLeaveNothing) {
  run([]() -> task<> {
    std::error_code code;
    {
      const interposed_calls no_pipe([](detail::sys::call which, int) noexcept {
        return which == detail::sys::call::socket ? EMFILE : 0;
      });
      const auto outcome = co_await as_result(process::spawn({"true"}, both_piped));
      code = outcome.error_code();
    }
    EXPECT_EQ(code, std::errc::too_many_files_open);
    {
      const interposed_calls no_handle([](detail::sys::call which, int) noexcept {
        return which == detail::sys::call::process_open ? EMFILE : 0;
      });
      const auto outcome = co_await as_result(process::spawn({"sleep", "1000"}, both_piped));
      code = outcome.error_code();
    }
    EXPECT_EQ(code, std::errc::too_many_files_open);
    EXPECT_TRUE(no_children());
  });
}

// ---- Cancellation and ends of handles -----------------------------------------------------------

TEST_P(Process, CancelledCommunicate_EndsTheProcessFirst) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"cat"}, both_piped);
    // cat waits for more than it gets: nobody closes this pipe but communicate.
    auto talk = spawn([](process& with) -> task<> {
      (void)co_await with.stdout_().read_line();
      (void)co_await with.communicate();
    }(child));
    co_await until_waiting(talk);

    talk.cancel();
    const auto outcome = co_await as_result(std::move(talk));
    EXPECT_TRUE(outcome.cancelled());
    EXPECT_TRUE(child.kill());  // it had not begun to communicate
    (void)co_await child.wait();

    auto other = co_await process::spawn({"sh", "-c", "cat; sleep 1000"}, both_piped);
    auto talks = spawn([](process& with) -> task<> { (void)co_await with.communicate(); }(other));
    co_await until_waiting(talks);
    talks.cancel();
    const auto stopped = co_await as_result(std::move(talks));

    EXPECT_TRUE(stopped.cancelled());
    EXPECT_FALSE(other.kill());
    const exit_status status = co_await other.wait();
    EXPECT_EQ(status.signal(), SIGTERM);
  });
}

TEST_P(Process, CancelledRunProcess_LeavesNone) {
  run([]() -> task<> {
    auto running = spawn([]() -> task<> { (void)co_await run_process({"sleep", "1000"}); });
    while (no_children()) co_await yield();
    co_await until_waiting(running);

    running.cancel();
    const auto outcome = co_await as_result(std::move(running));

    EXPECT_TRUE(outcome.cancelled());
    EXPECT_TRUE(no_children());
  });
}

TEST_P(Process, CancelledSpawn_LeavesNone) {
  run([]() -> task<> {
    for (int i = 0; i < 20; ++i) {
      auto spawning = spawn([]() -> task<> { (void)co_await process::spawn({"sleep", "1000"}); });
      for (int steps = 0; steps < i % 4; ++steps) co_await yield();
      spawning.cancel();
      (void)co_await as_result(std::move(spawning));
    }
  });
  EXPECT_TRUE(no_children());
}

TEST_P(Process, DroppedHandle_KillsAndReaps) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"sleep", "1000"});
    auto replaced = co_await process::spawn({"sleep", "1000"});
    replaced = std::move(child);
    {
      const process dropped = std::move(replaced);
    }

    while (!no_children()) co_await yield();
  });
}

TEST_P(Process, DroppedHandleUnderAWait_EndsTheWait) {
  run([]() -> task<> {
    std::optional<process> child = co_await process::spawn({"sleep", "1000"});
    auto waiting = spawn(child->wait());
    co_await until_waiting(waiting);

    child.reset();
    const exit_status status = co_await waiting;

    EXPECT_EQ(status.signal(), SIGKILL);
  });
}

TEST_P(Process, HandleThatOutlivesTheRuntime_KillsAndReapsAtItsEnd) {
  process kept;
  weft::run([&]() -> task<> { kept = co_await process::spawn({"sleep", "1000"}, both_piped); },
            {.workers = GetParam()});
  EXPECT_FALSE(no_children());

  kept = process();

  EXPECT_TRUE(no_children());
}

TEST_P(Process, DetachedProcess_RunsOnAndIsReapedWhenItEnds) {
  run([]() -> task<> {
    auto child = co_await process::spawn({"cat"}, both_piped);
    const pid_t pid = child.pid();

    child.detach();

    EXPECT_THROW((void)child.wait(), invalid_state_error);
    EXPECT_FALSE(child.kill());
    EXPECT_EQ(::kill(pid, 0), 0);
    ::kill(pid, SIGTERM);
    while (!no_children()) co_await yield();
  });
}

TEST_P(Process, Shutdown_LetsCleanUpWaitForItsProcess) {
  exit_status status;
  weft::run(
      [&]() -> task<> {
        event started;
        spawn([](event& begun, exit_status& ended) -> task<> {
          auto child = co_await process::spawn({"sleep", "1000"});
          co_await try_finally(
              [&]() -> task<> {
                begun.set();
                (void)co_await child.wait();
              },
              [&]() -> task<> {
                child.terminate();
                ended = co_await child.wait();
              });
        }(started, status))
            .detach();
        co_await started.wait();
      },
      {.workers = GetParam()});

  EXPECT_EQ(status.signal(), SIGTERM);
}

// ---- Descriptors --------------------------------------------------------------------------------

TEST_P(Process, OpenDescriptors_AreNotInherited) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto other = co_await process::spawn({"cat"}, both_piped);
    const int plain = ::open("/dev/null", O_RDONLY);  // no CLOEXEC

    const auto seen = co_await run_process({"ls", "/proc/self/fd"});

    ::close(plain);
    EXPECT_EQ(seen.out, "0\n1\n2\n3\n");  // the last one is the folder itself
  });
}

// The pipes get the numbers 0 to 2 then.
TEST(ProcessOfADaemon, ClosedStandardStreams_AreNotMixedUp) {
  const pid_t daemon = ::fork();
  ASSERT_GE(daemon, 0);
  if (daemon == 0) {
    for (int fd = 0; fd < 3; ++fd) ::close(fd);
    std::string out, err;
    weft::run(
        [&]() -> task<> {
          auto child = co_await process::spawn(
              {"sh", "-c", "cat; echo err >&2"},
              {.stdin_ = process::piped, .stdout_ = process::piped, .stderr_ = process::piped});
          auto output = co_await child.communicate("in");
          out = output.out;
          err = output.err;
        },
        {.workers = 1});
    ::_exit(out == "in" && err == "err\n" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(daemon, &status, 0), daemon);

  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace weft::testing
