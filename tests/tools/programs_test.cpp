// The programs as their users meet them: started as processes, spoken to over sockets and signals.

#include "running_program.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace weft::tools {

using namespace testing_support;

namespace {

struct ProgramsTest : testing::Test {
  void SetUp() override {
    if (!testing_support::programs_are_built()) GTEST_SKIP() << "the programs are not built";
  }
};

struct EveryProgram : ProgramsTest, testing::WithParamInterface<const char*> {};

/// A server with one worker on a free port, with a ledger.
struct EveryServer : EveryProgram {
  std::vector<std::string> words(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"--listen", "127.0.0.1:0", "--workers",
                                 "2",        "--ledger",    ledger.path()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  temporary_file ledger;
};

struct Echo : ProgramsTest {
  std::vector<std::string> words(const std::string& drain) const {
    return {"--listen", "127.0.0.1:0", "--workers", "2",
            "--drain",  drain,         "--ledger",  ledger.path()};
  }

  temporary_file ledger;
};
using Httpd = Echo;
using Load = ProgramsTest;
using Demo = ProgramsTest;

/// Makes sure that the server, of either kind, has taken the connection.
void ask(const test_client& client) {
  client.send(get("/plaintext"));
  EXPECT_TRUE(contains(client.receive_until("\r\n\r\n"), "\r\n"));
}

/// Waits until the port takes no connections any more.
void wait_until_refused(const std::string& port) {
  while (test_client(port).is_open()) (void)::sched_yield();
}

}  // namespace

// ---- All of them --------------------------------------------------------------------------------

INSTANTIATE_TEST_SUITE_P(Programs, EveryProgram,
                         testing::Values("weft-echo", "weft-httpd", "weft-load", "weft-demo",
                                         "weft-stress"),
                         [](const auto& test) { return std::string(test.param).substr(5); });

TEST_P(EveryProgram, Help_IsPrintedAndSucceeds) {
  const finished_program ended = run_program(GetParam(), {"--help"});

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_TRUE(ended.out.starts_with("usage: " + std::string(GetParam())));
  EXPECT_TRUE(contains(ended.out, "--workers N"));
  EXPECT_EQ(ended.errors, "");
}

TEST_P(EveryProgram, BadArguments_AreNamed) {
  const std::vector<std::string> cases[] = {{"--wrong"},           {"--workers"},
                                            {"--workers", "many"}, {"--workers", "-1"},
                                            {"--workers", "65"},   {"stray"}};

  for (const auto& words : cases) {
    const finished_program ended = run_program(GetParam(), words);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_TRUE(contains(ended.errors, words.back())) << ended.errors;
    EXPECT_TRUE(ended.errors.starts_with(GetParam()));
    EXPECT_EQ(ended.out, "");
  }
}

// ---- Both servers -------------------------------------------------------------------------------

INSTANTIATE_TEST_SUITE_P(Programs, EveryServer, testing::Values("weft-echo", "weft-httpd"),
                         [](const auto& test) { return std::string(test.param).substr(5); });

TEST_P(EveryServer, BadAddress_IsNamed) {
  for (const char* const address : {"nowhere:x", "127.0.0.1", "unix:/tmp/socket", "/tmp/socket"}) {
    const finished_program ended = run_program(GetParam(), {"--listen", address});

    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_TRUE(contains(ended.errors, "--listen") && contains(ended.errors, address))
        << ended.errors;
  }
}

TEST_P(EveryServer, PortInUse_IsNamed) {
  running_program first(GetParam(), words());
  const std::string address = "127.0.0.1:" + first.port();

  const finished_program second = run_program(GetParam(), {"--listen", address});

  EXPECT_EQ(second.exit_code, 1);
  EXPECT_TRUE(contains(second.errors, address)) << second.errors;
  EXPECT_TRUE(contains(second.errors, "in use")) << second.errors;
  EXPECT_EQ(second.out, "");
}

TEST_P(EveryServer, UnwritableLedger_IsNamedAtTheStart) {
  const std::string path = "/nowhere/ledger.json";

  const finished_program ended =
      run_program(GetParam(), {"--listen", "127.0.0.1:0", "--ledger", path});

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(contains(ended.errors, path)) << ended.errors;
  EXPECT_EQ(ended.out, "");
}

TEST_P(EveryServer, TooFewDescriptors_AreNamed) {
  for (std::size_t limit = 4;; ++limit) {
    running_program server(GetParam(), words(), {.descriptors = limit});
    if (server.has_line("listening on ")) {  // then it is able to serve somebody
      const test_client client(server.port());
      ask(client);
      break;
    }
    EXPECT_EQ(server.exit_code(), 1);
    EXPECT_TRUE(contains(server.errors(), "descriptors")) << server.errors();
  }
}

TEST_P(EveryServer, Sigterm_EndsAnIdleServerWithNothingAlive) {
  for (const int signal : {SIGTERM, SIGINT}) {
    running_program server(GetParam(), words());
    (void)server.port();

    server.send_signal(signal);

    EXPECT_EQ(server.exit_code(), 0);
    EXPECT_EQ(read_file(ledger.path()), nothing_alive);
    EXPECT_EQ(server.errors(), "");
  }
}

TEST_P(EveryServer, SecondSigterm_EndsTheDrain) {
  running_program server(GetParam(), words({"--drain", "600"}));
  const std::string port = server.port();
  const test_client busy(port);
  ask(busy);
  busy.send(get("/sleep/60000"));

  server.send_signal(SIGTERM);
  wait_until_refused(port);
  server.send_signal(SIGTERM);

  EXPECT_EQ(server.exit_code(), 0);
  EXPECT_EQ(read_file(ledger.path()), nothing_alive);
}

TEST_P(EveryServer, Drain_IsBounded) {
  running_program server(GetParam(), words({"--drain", "0.2"}));
  const test_client busy(server.port());
  ask(busy);
  busy.send(get("/sleep/60000"));

  server.send_signal(SIGTERM);

  EXPECT_EQ(server.exit_code(), 0);
  EXPECT_EQ(read_file(ledger.path()), nothing_alive);
}

TEST_P(EveryServer, ClosedStandardInputAndErrors_AreNoProblem) {
  running_program server(GetParam(), words(), {.closed = {STDIN_FILENO, STDERR_FILENO}});

  const test_client client(server.port());
  ask(client);
}

TEST_P(EveryServer, AllStandardStreamsClosed_AreNoProblem) {
  running_program taken(GetParam(), words());
  const std::string port = taken.port();
  taken.send_signal(SIGKILL);
  (void)taken.exit_code();
  running_program server(GetParam(), {"--listen", "127.0.0.1:" + port, "--ledger", ledger.path()},
                         {.closed = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}});

  while (!test_client(port).is_open()) (void)::sched_yield();
  ask(test_client(port));
  server.send_signal(SIGTERM);

  EXPECT_EQ(server.exit_code(), 0);
  EXPECT_EQ(read_file(ledger.path()), nothing_alive);
}

TEST_P(EveryServer, OutputThatCannotBeWritten_IsAnError) {
  const finished_program ended =
      run_program(GetParam(), {"--listen", "127.0.0.1:0"}, {.out = "/dev/full"});

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(contains(ended.errors, "standard output")) << ended.errors;
}

TEST_P(EveryServer, LedgerThatCannotBeWritten_IsAnError) {
  running_program server(GetParam(), {"--listen", "127.0.0.1:0", "--ledger", "/dev/full"});
  (void)server.port();

  server.send_signal(SIGTERM);

  EXPECT_EQ(server.exit_code(), 1);
  EXPECT_TRUE(contains(server.errors(), "/dev/full")) << server.errors();
}

TEST_P(EveryServer, Descriptors_AreAllClosedOnExec) {
  running_program server(GetParam(), words());
  const test_client client(server.port());
  ask(client);

  const std::string infos = "/proc/" + std::to_string(server.pid()) + "/fdinfo";
  for (const auto& each : std::filesystem::directory_iterator(infos)) {
    const int fd = std::stoi(each.path().filename().string());
    if (fd <= STDERR_FILENO) continue;
    const std::string info = read_file(each.path().string());
    const int flags = std::stoi(info.substr(info.find("flags:") + 6), nullptr, 8);
    EXPECT_TRUE(flags & O_CLOEXEC) << fd << ": " << info;
  }
}

// ---- weft-echo ----------------------------------------------------------------------------------

TEST_F(Echo, Bytes_ComeBack) {
  running_program server("weft-echo", words("10"));
  const test_client client(server.port());
  const std::string message(300'000, 'x');

  client.send("hello");
  EXPECT_EQ(client.receive(5), "hello");
  client.send(message);
  EXPECT_EQ(client.receive(message.size()), message);
}

TEST_F(Echo, Sigterm_LetsOpenConnectionsFinish) {
  running_program server("weft-echo", words("600"));
  const std::string port = server.port();
  test_client client(port);
  client.send("before");
  EXPECT_EQ(client.receive(6), "before");

  server.send_signal(SIGTERM);
  wait_until_refused(port);
  client.send("after");
  EXPECT_EQ(client.receive(5), "after");
  client.close();

  EXPECT_EQ(server.exit_code(), 0);
  EXPECT_EQ(read_file(ledger.path()), nothing_alive);
}

TEST_F(Echo, ClientsThatReset_AreNoNews) {
  running_program server("weft-echo", words("10"));
  const std::string port = server.port();

  for (int i = 0; i < 50; ++i) {
    const test_client client(port);
    client.send(std::string(100'000, 'x'));  // closed with the answer unread: a reset
  }
  server.send_signal(SIGTERM);

  EXPECT_EQ(server.exit_code(), 0);
  EXPECT_EQ(server.errors(), "");
  EXPECT_EQ(read_file(ledger.path()), nothing_alive);
}

// ---- weft-httpd ---------------------------------------------------------------------------------

TEST_F(Httpd, Routes_Answer) {
  running_program server("weft-httpd", words("10"));
  const test_client client(server.port());

  client.send(get("/plaintext"));
  const std::string head = client.receive_until("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(contains(head, "\r\nDate: "));
  EXPECT_EQ(client.receive(13), "Hello, World!");

  client.send(get("/json"));
  EXPECT_TRUE(contains(client.receive_until("\r\n\r\n"), "application/json"));
  EXPECT_EQ(client.receive(27), R"({"message":"Hello, World!"})");

  client.send(get("/sleep/20"));
  EXPECT_TRUE(client.receive_until("slept 20 ms\n").starts_with("HTTP/1.1 200 OK\r\n"));

  client.send(get("/nowhere"));
  EXPECT_TRUE(client.receive_until("Not Found\n").starts_with("HTTP/1.1 404 "));
}

TEST_F(Httpd, PipelinedRequests_AreAnsweredInOrder) {
  running_program server("weft-httpd", words("10"));
  const test_client client(server.port());
  std::string requests;
  for (int i = 0; i < 2'000; ++i) requests += get("/plaintext");
  requests += get("/sleep/1") + get("/json", "Connection: close\r\n");

  client.send(requests);
  const std::string answers = client.receive_all();

  std::size_t greetings = 0;
  for (std::size_t at = 0; (at = answers.find("\r\n\r\nHello", at)) != std::string::npos; ++at) {
    ++greetings;
  }
  EXPECT_EQ(greetings, 2'000U);
  EXPECT_LT(answers.rfind("Hello, World!HTTP"), answers.find("slept 1 ms"));
  EXPECT_TRUE(answers.ends_with(R"({"message":"Hello, World!"})"));
}

TEST_F(Httpd, MalformedRequest_IsAnsweredAndClosed) {
  running_program server("weft-httpd", words("10"));
  const test_client client(server.port());

  client.send("nonsense\r\n\r\n");

  EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 400 Bad Request\r\n"));
}

TEST_F(Httpd, RefusedBody_StillGetsItsAnswer) {
  running_program server("weft-httpd", words("10"));
  const test_client client(server.port());

  client.send("POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
  client.send(std::string(100'000, 'x'));

  EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 413 "));
}

TEST_F(Httpd, Sigterm_ClosesIdleConnectionsAtOnce) {
  running_program server("weft-httpd", words("600"));
  const test_client client(server.port());
  client.send(get("/json"));
  (void)client.receive_until("World!\"}");

  server.send_signal(SIGTERM);

  EXPECT_EQ(server.exit_code(), 0);
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(read_file(ledger.path()), nothing_alive);
}

TEST_F(Httpd, Sigterm_LetsRequestsFinish) {
  running_program server("weft-httpd", words("600"));
  const std::string port = server.port();
  const test_client client(port);
  client.send(get("/plaintext") + get("/sleep/500"));
  (void)client.receive_until("Hello, World!");
  const test_client late(port);
  late.send(get("/plaintext") + "GET /json HTTP/1.1\r\nHo");
  (void)late.receive_until("Hello, World!");

  server.send_signal(SIGTERM);
  wait_until_refused(port);
  late.send("st: a\r\n\r\n");

  EXPECT_TRUE(contains(late.receive_all(), "\r\nConnection: close\r\n"));
  const std::string slept = client.receive_all();
  EXPECT_TRUE(contains(slept, "\r\nConnection: close\r\n"));
  EXPECT_TRUE(slept.ends_with("slept 500 ms\n"));
  EXPECT_EQ(server.exit_code(), 0);
  EXPECT_EQ(read_file(ledger.path()), nothing_alive);
}

// ---- weft-load ----------------------------------------------------------------------------------

TEST_F(Load, MissingTarget_IsNamed) {
  const finished_program ended = run_program("weft-load", {});

  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(contains(ended.errors, "--target")) << ended.errors;
}

TEST_F(Load, OutputThatCannotBeWritten_IsAnError) {
  running_program server("weft-echo", {"--listen", "127.0.0.1:0"});

  const finished_program ended =
      run_program("weft-load", {"--target", "127.0.0.1:" + server.port(), "--seconds", "0.1"},
                  {.out = "/dev/full"});

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(contains(ended.errors, "standard output")) << ended.errors;
}

TEST_F(Load, NoServer_IsNamed) {
  running_program server("weft-echo", {"--listen", "127.0.0.1:0"});
  const std::string target = "127.0.0.1:" + server.port();
  server.send_signal(SIGTERM);
  (void)server.exit_code();

  const finished_program ended = run_program("weft-load", {"--target", target});

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(contains(ended.errors, target)) << ended.errors;
  EXPECT_TRUE(contains(ended.errors, "refused")) << ended.errors;
}

TEST_F(Load, TooFewDescriptors_AreNamed) {
  const finished_program ended = run_program(
      "weft-load", {"--target", "127.0.0.1:1", "--connections", "200"}, {.descriptors = 100});

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(contains(ended.errors, "the limit is 100")) << ended.errors;
}

TEST_F(Load, EchoOf200Connections_HasNoErrors) {
  running_program server("weft-echo", {"--listen", "127.0.0.1:0", "--workers", "2"});
  const std::string target = "127.0.0.1:" + server.port();

  for (const char* const size : {"1", "64", "300000"}) {
    const finished_program ended = run_program(
        "weft-load",
        {"--target", target, "--connections", "200", "--seconds", "0.5", "--size", size, "--json"});
    EXPECT_EQ(ended.exit_code, 0) << ended.errors;
    EXPECT_TRUE(contains(ended.out, "\"errors\": 0,")) << ended.out;
    EXPECT_FALSE(contains(ended.out, "\"messages\": 0,")) << ended.out;
  }
}

TEST_F(Load, HttpAtARate_HasNoErrors) {
  running_program server("weft-httpd", {"--listen", "127.0.0.1:0", "--workers", "2"});
  const std::string target = "http://127.0.0.1:" + server.port() + "/plaintext";

  const finished_program ended =
      run_program("weft-load",
                  {"--target", target, "--connections", "50", "--seconds", "0.5", "--rate", "500"});

  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  EXPECT_TRUE(contains(ended.out, "open loop")) << ended.out;
  EXPECT_TRUE(contains(ended.out, "latency p99.9")) << ended.out;
}

TEST_F(Load, WrongAnswers_AreErrors) {
  running_program server("weft-httpd", {"--listen", "127.0.0.1:0"});
  const std::string target = "http://127.0.0.1:" + server.port() + "/nowhere";

  const finished_program ended =
      run_program("weft-load", {"--target", target, "--connections", "3", "--seconds", "0.2"});

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(contains(ended.errors, "3 errors, the first: status 404")) << ended.errors;
}

TEST_F(Load, Sigint_EndsTheRunAndShowsItsResults) {
  running_program server("weft-echo", {"--listen", "127.0.0.1:0"});
  running_program load("weft-load", {"--target", "127.0.0.1:" + server.port(), "--seconds", "600",
                                     "--connections", "2", "--progress"});
  while (!contains(load.errors(), "messages/s")) ASSERT_TRUE(load.read_more());

  load.send_signal(SIGINT);

  EXPECT_EQ(load.exit_code(), 0) << load.errors();
  EXPECT_TRUE(contains(load.out(), "latency max"));
}

// ---- weft-demo ----------------------------------------------------------------------------------

TEST_F(Demo, NoTimeAtAll_IsRefused) {
  const finished_program ended = run_program("weft-demo", {"--seconds", "0"});

  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.errors, "weft-demo: --seconds: must be more than 0\n");
}

TEST_F(Demo, Run_PrintsOneTable) {
  const finished_program ended =
      run_program("weft-demo", {"--seconds", "0.3", "--connections", "20"});

  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  for (const char* const row :
       {"requests/s", "latency p99.9", "CPU per request", "context switches per request",
        "memory per idle connection", "spawn and join", "await", "timer", "mutex"}) {
    EXPECT_TRUE(contains(ended.out, row)) << ended.out;
  }
}

}  // namespace weft::tools
