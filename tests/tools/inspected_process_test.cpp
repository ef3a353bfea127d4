// weft-ps as its users meet it, and what it asks with.

#include "running_program.h"
#include <weft/runtime/runtime.h>
#include <weft/runtime/shield.h>
#include <weft/runtime/spawn.h>
#include <weft/sync/event.h>
#include <weft/tools/support/inspected_process.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace weft::tools {
namespace {

using namespace testing_support;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// ---- ask_for_tasks ------------------------------------------------------------------------------

std::string complaint_about(pid_t process) {
  try {
    (void)ask_for_tasks(process);
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

TEST(InspectedProcess, Answer_IsThatOfTheProcess) {
  const runtime rt({.workers = 1, .inspectable = true, .name = "here"});

  EXPECT_THAT(ask_for_tasks(::getpid()), HasSubstr("runtime 1 here\n"));
}

TEST(InspectedProcess, ProcessThatIsGone_IsNone) {
  const pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ::waitpid(gone, nullptr, 0);

  EXPECT_EQ(complaint_about(gone), "there is no process " + std::to_string(gone));
}

TEST(InspectedProcess, ProgramWithoutWeft_IsNamed) {
  const temporary_file text;
  std::ofstream(text.path()) << "it runs\n";
  running_program other("/usr/bin/tail", {"-f", text.path()});
  EXPECT_TRUE(other.has_line("it runs"));

  EXPECT_EQ(complaint_about(other.pid()),
            "process " + std::to_string(other.pid()) + " (tail) is no weft program");
}

TEST(InspectedProcess, RuntimeThatIsHidden_IsToldHowToBeShown) {
  const runtime rt({.workers = 1});

  EXPECT_THAT(complaint_about(::getpid()),
              AllOf(HasSubstr("process " + std::to_string(::getpid())), HasSubstr("WEFT_PS=1"),
                    HasSubstr("runtime_options::inspectable")));
}

// ---- weft-ps ------------------------------------------------------------------------------------

struct Ps : testing::Test {
  void SetUp() override {
    if (!programs_are_built()) GTEST_SKIP() << "the programs are not built";
  }

  static finished_program ps(std::vector<std::string> words) {
    return run_program("weft-ps", std::move(words));
  }
  static std::string this_process() { return std::to_string(::getpid()); }
};

/// A variable of the environment, for the programs that are started meanwhile.
struct with_variable {
  with_variable(const char* chosen, const char* value) : name(chosen) {
    ::setenv(name, value, 1);  // NOLINT(concurrency-mt-unsafe): one thread
  }
  ~with_variable() {
    ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  }
  const char* name;
};

TEST_F(Ps, Server_ShowsItsTasks) {
  const with_variable visible("WEFT_PS", "1");
  running_program server("weft-echo", {"--listen", "127.0.0.1:0", "--workers", "2"});
  test_client client(server.port());
  client.send("a");
  EXPECT_EQ(client.receive(1), "a");

  const finished_program ended = ps({std::to_string(server.pid())});

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.errors, "");
  EXPECT_THAT(ended.out, StartsWith("runtime: 2 workers, "));
  EXPECT_THAT(ended.out, ContainsRegex("\n[0-9]+ .*suspended +main +"));
  EXPECT_THAT(ended.out, ContainsRegex(" reading .*echo.*weft-echo\\.cpp:[0-9]+"));
  client.close();
  server.send_signal(SIGTERM);
  EXPECT_EQ(server.exit_code(), 0);
}

task<> wait_inside(event& gate) {
  co_await gate.wait();
}

TEST_F(Ps, Tree_ShowsWhoWaitsForWhom) {
  runtime rt({.workers = 1, .inspectable = true});
  finished_program ended{};

  rt.run([&]() -> task<> {
    event gate;
    auto child = spawn(wait_inside(gate), {.name = "child"});
    auto parent = spawn(
        {.name = "parent"}, [](join_handle<>& of) -> task<> { co_await of; }, std::ref(child));
    for (int i = 0; i < 3; ++i) co_await yield();
    ended = ps({"--tree", this_process()});
    gate.set();
    co_await parent;
  });

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.out, ContainsRegex("\nparent \\[[0-9]+\\] suspended in a task\n    .*\n"
                                       "  child \\[[0-9]+\\] suspended in event::wait\\(\\)\n"
                                       "      .*wait_inside.*inspected_process_test\\.cpp:"));
}

TEST_F(Ps, Ring_IsNamed) {
  runtime rt({.workers = 1, .inspectable = true});
  finished_program ended{};
  std::string first_title, second_title;

  rt.run([&]() -> task<> {
    join_handle<> first, second;
    const auto wait_for_the_other = [](join_handle<>& other) -> task<> {
      while (!other) co_await yield();
      co_await shield(other);
    };
    first = spawn({.name = "first"}, wait_for_the_other, std::ref(second));
    second = spawn({.name = "second"}, wait_for_the_other, std::ref(first));
    for (int i = 0; i < 3; ++i) co_await yield();
    first_title = "first [" + std::to_string(first.id()) + ']';
    second_title = "second [" + std::to_string(second.id()) + ']';
    ended = ps({this_process()});
    first.cancel();  // leaves its shield, and with that the other one goes on
    while (!first.done() || !second.done()) co_await yield();
  });

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.out, EndsWith("cycle: " + first_title + " -> " + second_title + " -> " +
                                  first_title + '\n'));
}

TEST_F(Ps, Failure_IsNamedAndExitsWithOne) {
  const runtime rt({.workers = 1});

  const finished_program ended = ps({this_process()});

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.errors, AllOf(StartsWith("weft-ps: process "), HasSubstr("WEFT_PS=1")));
}

TEST_F(Ps, BadArguments_AreNamedAndExitWithTwo) {
  const finished_program without = ps({});
  const finished_program word = ps({"main"});
  const finished_program twice = ps({"1", "2"});

  EXPECT_EQ(without.exit_code, 2);
  EXPECT_THAT(without.errors, HasSubstr("PID is missing"));
  EXPECT_EQ(word.exit_code, 2);
  EXPECT_THAT(word.errors, HasSubstr("PID: "));
  EXPECT_EQ(twice.exit_code, 2);
  EXPECT_THAT(twice.errors, HasSubstr("unexpected argument \"2\""));
}

TEST_F(Ps, Help_NamesThePid) {
  const finished_program ended = ps({"--help"});

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.out, AllOf(StartsWith("usage: weft-ps [options] PID\n"), HasSubstr("\n  PID "),
                               HasSubstr("--tree")));
}

// ---- weft-top -----------------------------------------------------------------------------------

using Top = Ps;

TEST_F(Top, Looks_AreShownOneAfterTheOther) {
  const with_variable visible("WEFT_PS", "1");
  running_program server("weft-echo", {"--listen", "127.0.0.1:0", "--workers", "2"});
  (void)server.port();

  const finished_program ended =
      run_program("weft-top", {"--interval", "0.02", "--count", "2", std::to_string(server.pid())});

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.errors, "");
  EXPECT_THAT(ended.out, ContainsRegex("runtime: 2 workers, .*suspended\n.* steps/s.*\n"
                                       ".*(\n.*)*runtime: 2 workers, "));
  server.send_signal(SIGTERM);
  EXPECT_EQ(server.exit_code(), 0);
}

TEST_F(Top, ProgramThatEnds_EndsItToo) {
  const with_variable visible("WEFT_PS", "1");
  running_program server("weft-echo", {"--listen", "127.0.0.1:0", "--workers", "2"});
  (void)server.port();
  running_program top("weft-top", {"--interval", "0.02", std::to_string(server.pid())});
  EXPECT_TRUE(top.has_line("runtime: 2 workers, "));

  server.send_signal(SIGTERM);
  EXPECT_EQ(server.exit_code(), 0);

  EXPECT_EQ(top.exit_code(), 0);
  EXPECT_THAT(top.errors(), StartsWith("weft-top: "));
}

TEST_F(Top, NoPauseBetweenLooks_IsRefused) {
  const finished_program ended = run_program("weft-top", {"--interval", "0", "1"});

  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.errors, "weft-top: --interval: must be more than 0\n");
}

TEST_F(Top, Signal_EndsIt) {
  const runtime rt({.workers = 1, .inspectable = true});
  running_program top("weft-top", {"--interval", "0.02", this_process()});
  EXPECT_TRUE(top.has_line("runtime: 1 worker, "));

  top.send_signal(SIGINT);

  EXPECT_EQ(top.exit_code(), 0);
}

TEST_F(Top, Failure_IsNamedAndExitsWithOne) {
  const runtime rt({.workers = 1});

  const finished_program ended = run_program("weft-top", {this_process()});

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_THAT(ended.errors, AllOf(StartsWith("weft-top: process "), HasSubstr("WEFT_PS=1")));
}

}  // namespace
}  // namespace weft::tools
