// What clients do wrong, by mistake or on purpose: the servers give the answer that tools/README.md
// says, go on serving others, and have nothing left of it in the end.

#include "running_program.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/resource.h>

namespace weft::tools {

using namespace testing_support;

namespace {

struct BadClients : testing::Test {
  void SetUp() override {
    if (!programs_are_built()) GTEST_SKIP() << "the programs are not built";
  }

  void start(std::string_view name, std::vector<std::string> more = {},
             start_options options = {}) {
    std::vector<std::string> words{"--listen", "127.0.0.1:0", "--workers",
                                   "2",        "--ledger",    ledger.path()};
    words.insert(words.end(), more.begin(), more.end());
    server = std::make_unique<running_program>(name, std::move(words), options);
    port = server->port();
  }

  /// The server has forgotten everything, and has not complained.
  void expect_nothing_left() {
    server->send_signal(SIGTERM);
    EXPECT_EQ(server->exit_code(), 0);
    EXPECT_EQ(server->errors(), "");
    EXPECT_EQ(read_file(ledger.path()), nothing_alive);
  }

  /// All that the server says to these bytes until it ends the connection.
  std::string answer(std::string_view bytes) const {
    const test_client client(port);
    client.send(bytes);
    return client.receive_all();
  }

  void expect_served(const test_client& client) const {
    client.send(get("/plaintext"));
    EXPECT_TRUE(contains(client.receive_until("\r\n\r\n"), "\r\n"));
  }

  temporary_file ledger;
  std::string port;
  std::unique_ptr<running_program> server;
};

/// Raises the limit to `wanted`, or as far as the test may, and returns it.
std::size_t raise_descriptors_to(std::size_t wanted) {
  rlimit limit{wanted, wanted};
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return wanted;
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

struct EveryServerOfBadClients : BadClients, testing::WithParamInterface<const char*> {};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Programs, EveryServerOfBadClients,
                         testing::Values("weft-echo", "weft-httpd"),
                         [](const auto& test) { return std::string(test.param).substr(5); });

TEST_P(EveryServerOfBadClients, Resets_AreNoNews) {
  start(GetParam());
  const std::string requests = get("/json") + get("/json");

  for (int i = 0; i < 50; ++i) test_client(port).reset();  // perhaps before it is accepted
  for (int i = 0; i < 10; ++i) {
    test_client client(port);
    client.flood(requests);  // until the server waits for us to take answers
    client.reset();
  }
  for (int i = 0; i < 10; ++i) {
    test_client client(port);
    client.send(get("/sleep/10"));
    client.reset();
  }

  expect_served(test_client(port));
  expect_nothing_left();
}

TEST_P(EveryServerOfBadClients, ClientThatReadsNothing_StopsNobodyElse) {
  start(GetParam(), {"--drain", "0"});
  const std::string requests = get("/json") + get("/json");
  const test_client greedy(port);

  greedy.flood(requests);

  for (int i = 0; i < 10; ++i) expect_served(test_client(port));
  expect_nothing_left();
}

TEST_P(EveryServerOfBadClients, DescriptorsUsedUp_DelayConnectionsAndLoseNone) {
  start(GetParam(), {}, {.descriptors = 40});
  std::vector<std::unique_ptr<test_client>> clients;

  for (int i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<test_client>(port));
    clients.back()->send(get("/plaintext"));
  }
  expect_served(*clients.front());
  clients.erase(clients.begin(), clients.begin() + 40);

  for (const auto& client : clients) {
    EXPECT_TRUE(contains(client->receive_until("\r\n\r\n"), "\r\n"));
  }
  clients.clear();  // the end of weft-echo waits for them
  expect_nothing_left();
}

// Fewer where the test itself may not have so many; the rest is for its own files.
TEST_F(BadClients, TwentyThousandDescriptorsUsedUp_DelayConnectionsAndLoseNone) {
  constexpr std::size_t waiting = 200;
  constexpr std::size_t reserve = 2 * waiting;
  const std::size_t limit = raise_descriptors_to(20'000 + reserve) - reserve;
  start("weft-echo", {}, {.descriptors = limit});
  std::vector<std::unique_ptr<test_client>> clients;

  for (std::size_t i = 0; i < limit + waiting; ++i) {
    clients.push_back(std::make_unique<test_client>(port));
    ASSERT_TRUE(clients.back()->is_open());
    clients.back()->send("beat");
  }
  EXPECT_EQ(clients.front()->receive(4), "beat");
  clients.erase(clients.begin(), clients.begin() + reserve);

  for (const auto& client : clients) EXPECT_EQ(client->receive(4), "beat");
  clients.clear();
  expect_nothing_left();
}

// ---- weft-echo ----------------------------------------------------------------------------------

TEST_F(BadClients, EchoOfAHalfClosedConnection_IsComplete) {
  start("weft-echo");
  const std::string message(3'000'000, 'x');
  const test_client client(port);

  std::string echoed;
  {
    const std::jthread reader([&] { echoed = client.receive_all(); });
    client.send(message);
    client.shutdown_write();
  }

  EXPECT_EQ(echoed, message);
  expect_nothing_left();
}

// ---- weft-httpd ---------------------------------------------------------------------------------

TEST_F(BadClients, HttpRequestsOfAHalfClosedConnection_AreAnswered) {
  start("weft-httpd");
  const test_client client(port);

  client.send(get("/plaintext") + get("/sleep/10") + get("/json"));
  client.shutdown_write();

  const std::string answers = client.receive_all();
  EXPECT_TRUE(contains(answers, "slept 10 ms\n"));
  EXPECT_TRUE(answers.ends_with(R"({"message":"Hello, World!"})"));
  expect_nothing_left();
}

TEST_F(BadClients, Garbage_GetsItsStatusAndTheEnd) {
  start("weft-httpd");
  const std::string long_text(100'000, 'a');
  const std::string post = "POST /json HTTP/1.1\r\nHost: a\r\n";

  EXPECT_TRUE(answer("\x16\x03\x01 hello\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(answer("GET /json HTTP/2.0\r\n\r\n").starts_with("HTTP/1.1 505 "));
  EXPECT_TRUE(answer("GET /" + long_text).starts_with("HTTP/1.1 414 "));
  EXPECT_TRUE(answer(get("/json", "X: " + long_text + "\r\n")).starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(answer(post + "Content-Length: 1048577\r\n\r\n").starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(answer(post + "Transfer-Encoding: chunked\r\n\r\n").starts_with("HTTP/1.1 411 "));
  expect_nothing_left();
}

TEST_F(BadClients, SlowRequest_Gets408) {
  start("weft-httpd", {"--request-limit", "0.1"});
  const test_client slow_head(port);
  const test_client slow_body(port);
  const test_client good(port);

  slow_head.send("GET /json HTTP/1.1\r\nHo");
  slow_body.send("GET /json HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");

  EXPECT_TRUE(slow_head.receive_all().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(contains(slow_body.receive_all(), "HTTP/1.1 408 Request Timeout\r\n"));
  expect_served(good);
  expect_nothing_left();
}

TEST_F(BadClients, SilentConnection_IsClosedWithoutAWord) {
  start("weft-httpd", {"--idle-limit", "0.1"});
  const test_client fresh(port);
  const test_client used(port);
  expect_served(used);
  (void)used.receive(13);

  EXPECT_EQ(fresh.receive_all(), "");
  EXPECT_EQ(used.receive_all(), "");
  expect_nothing_left();
}

}  // namespace weft::tools
