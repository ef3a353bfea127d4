#include "loopback.h"
#include <weft/net/pipe.h>
#include <weft/net/server.h>
#include <weft/net/udp.h>
#include <weft/net/unix.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/test_runtime.h>
#include <weft/sync/event.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <stdlib.h>
#include <unistd.h>

namespace weft {
namespace {

using namespace testing;

class Server : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, Server, one_and_two_workers(), workers_name);

task<> echo_stream(tcp_stream stream) {
  std::string buffer(1000, '\0');
  for (;;) {
    const std::size_t count = co_await stream.read_some(buffer);
    if (count == 0) co_return;
    co_await stream.write_all(std::string_view(buffer).substr(0, count));
  }
}

task<std::size_t> read_once(tcp_stream& stream) {
  std::string buffer(16, '\0');
  co_return co_await stream.read_some(buffer);
}

task<> echo_lines(stream_reader reader, stream_writer writer) {
  for (;;) {
    const std::optional<std::string> line = co_await reader.read_line();
    if (!line) break;
    writer.write(*line);
    writer.write("\n");
    co_await writer.drain();
  }
  co_await writer.close();
}

task<std::string> ask(socket_address to, std::string question) {
  auto [reader, writer] = co_await open_connection(to);
  co_await writer.write_all(question + "\n");
  std::string answer = co_await reader.read_until("\n");
  co_await writer.close();
  co_return answer;
}

/// A path that nobody has, in a folder of its own.
class socket_path {
 public:
  socket_path() {
    folder_ = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  socket_path(const socket_path&) = delete;
  socket_path& operator=(const socket_path&) = delete;
  ~socket_path() { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string get() const { return folder_ + "/socket"; }
  [[nodiscard]] bool exists() const { return std::filesystem::exists(get()); }

 private:
  std::string folder_;
};

TEST_P(Server, UnixSocket_IsServedAndItsFileGoesAway) {
  const socket_path path;
  run([&]() -> task<> {
    server echoing = start_server(echo_lines, path.get());
    EXPECT_EQ(echoing.local_address(), socket_address(path.get()));
    EXPECT_TRUE(path.exists());
    EXPECT_EQ(co_await ask(echoing.local_address(), "hello"), "hello\n");

    co_await echoing.close();

    EXPECT_FALSE(path.exists());
  });
}

TEST_P(Server, UnixSocketOfADroppedServer_GoesAwayToo) {
  const socket_path path;
  run([&]() -> task<> {
    {
      const server dropped = start_server(echo_stream, path.get(), {.listener_per_worker = true});
    }
    co_await until([&] { return !path.exists(); });
  });
}

TEST_P(Server, StaleSocketFile_IsReplacedByAServer) {
  const socket_path path;
  run([&]() -> task<> {
    {
      auto left_behind = unix_listener::bind(path.get());
      std::filesystem::rename(path.get(), path.get() + ".aside");
    }
    std::filesystem::rename(path.get() + ".aside", path.get());

    server echoing = start_server(echo_lines, path.get());

    EXPECT_EQ(co_await ask(path.get(), "hello"), "hello\n");
    co_await echoing.close();
  });
}

TEST_P(Server, PathOfALiveServer_IsInUse) {
  const socket_path path;
  run([&]() -> task<> {
    server first = start_server(echo_lines, path.get());
    EXPECT_THROW((void)start_server(echo_lines, path.get()), std::system_error);
    EXPECT_EQ(co_await ask(path.get(), "hello"), "hello\n");
    co_await first.close();
  });
}

TEST_P(Server, AbstractName_HasNoFile) {
  run([]() -> task<> {
    const std::string name = "unix:@weft-server-test-" + std::to_string(::getpid());
    server echoing = start_server(echo_lines, name);
    EXPECT_EQ(co_await ask(name, "hello"), "hello\n");
    co_await echoing.close();
  });
}

TEST_P(Server, StreamHandler_ServesEachConnection) {
  run([]() -> task<> {
    server echoing = start_server(echo_stream, "127.0.0.1:0");
    std::vector<task<std::string>> clients;
    for (int i = 0; i < 50; ++i) clients.push_back(ask(echoing.local_address(), std::to_string(i)));

    const std::vector<std::string> answers = co_await gather(std::move(clients));

    for (std::size_t i = 0; i < answers.size(); ++i)
      EXPECT_EQ(answers[i], std::to_string(i) + "\n");
    co_await echoing.close();
    EXPECT_EQ(echoing.connections(), 0u);
  });
}

TEST_P(Server, BufferedHandler_ServesEachConnection) {
  run([]() -> task<> {
    server echoing = start_server(echo_lines, "127.0.0.1:0");
    std::vector<task<std::string>> clients;
    for (int i = 0; i < 50; ++i) clients.push_back(ask(echoing.local_address(), std::to_string(i)));

    const std::vector<std::string> answers = co_await gather(std::move(clients));

    for (std::size_t i = 0; i < answers.size(); ++i)
      EXPECT_EQ(answers[i], std::to_string(i) + "\n");
    co_await echoing.close();
  });
}

TEST_P(Server, PortInUse_IsToldAtOnce) {
  run([]() -> task<> {
    server first = start_server(echo_stream, "127.0.0.1:0");
    try {
      (void)start_server(echo_stream, first.local_address());
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.what(),
                "bind " + first.local_address().to_string() + ": Address already in use");
    }
    co_return;
  });
}

TEST(ServerOutsideOfARuntime, Start_Throws) {
  EXPECT_THROW((void)start_server(echo_stream, "127.0.0.1:0"), std::logic_error);
  expect_clean_ledger();
}

TEST_P(Server, Handler_LivesUntilItsLastConnectionHasEnded) {
  run([]() -> task<> {
    auto token = std::make_shared<int>(7);
    const std::weak_ptr<int> observed = token;
    event leave;
    std::optional<server> serving(start_server(
        [token = std::move(token), &leave](tcp_stream stream) -> task<> {
          co_await stream.write_all("x");
          const cancel_shield shield;
          co_await leave.wait();
          EXPECT_EQ(*token, 7);
        },
        "127.0.0.1:0"));
    tcp_stream client = co_await tcp_stream::connect(serving->local_address());
    std::string buffer(1, '\0');
    EXPECT_EQ(co_await client.read_some(buffer), 1u);

    serving.reset();
    EXPECT_FALSE(observed.expired());
    leave.set();

    co_await until([&] { return observed.expired(); });
  });
}

std::atomic<int> reported_exceptions{0};

TEST_P(Server, ExceptionInAHandler_EndsThatConnectionOnlyAndIsReported) {
  reported_exceptions = 0;
  runtime_options options;
  options.workers = GetParam();
  options.exception_handler = [](const exception_context& context) {
    try {
      std::rethrow_exception(context.exception);
    } catch (const std::runtime_error& error) {
      if (std::string_view(error.what()) == "bad question") ++reported_exceptions;
    }
  };
  const auto body = []() -> task<> {
    server picky = start_server(
        [](stream_reader reader, stream_writer writer) -> task<> {
          const std::string line = co_await reader.read_until("\n");
          if (line == "bad\n") throw std::runtime_error("bad question");
          co_await writer.write_all(line);
        },
        "127.0.0.1:0");

    const auto bad = co_await as_result(ask(picky.local_address(), "bad"));
    const std::string good = co_await ask(picky.local_address(), "good");

    EXPECT_FALSE(bad.has_value());
    EXPECT_EQ(good, "good\n");
    co_await picky.close();
  };
  weft::run(body, options);
  EXPECT_EQ(reported_exceptions, 1);
  expect_clean_ledger();
}

TEST_P(Server, HandlerThatThrowsBeforeItIsATask_EndsThatConnectionOnly) {
  reported_exceptions = 0;
  runtime_options options;
  options.workers = GetParam();
  options.exception_handler = [](const exception_context&) { ++reported_exceptions; };
  const auto body = []() -> task<> {
    std::atomic<int> calls = 0;
    server picky = start_server(
        [&calls](tcp_stream stream) -> task<> {
          if (++calls == 1) throw std::runtime_error("not you");
          return echo_stream(std::move(stream));
        },
        "127.0.0.1:0");

    const auto first = co_await as_result(ask(picky.local_address(), "one"));
    const std::string second = co_await ask(picky.local_address(), "two");

    EXPECT_FALSE(first.has_value());
    EXPECT_EQ(second, "two\n");
    co_await picky.close();
  };
  weft::run(body, options);
  EXPECT_EQ(reported_exceptions, 1);
  expect_clean_ledger();
}

// ---- Ends ---------------------------------------------------------------------------------------

TEST_P(Server, Close_WaitsForConnectionsThatEndInTime) {
  run([]() -> task<> {
    server echoing = start_server(echo_lines, "127.0.0.1:0");
    auto [reader, writer] = co_await open_connection(echoing.local_address());
    co_await writer.write_all("before\n");
    EXPECT_EQ(co_await reader.read_line(), "before");

    auto closing = spawn(echoing.close(1h));
    co_await until_waiting(closing);
    co_await writer.write_all("during\n");
    EXPECT_EQ(co_await reader.read_line(), "during");
    EXPECT_FALSE(closing.done());
    co_await writer.close();

    co_await closing;
    EXPECT_EQ(echoing.connections(), 0u);
  });
}

TEST_P(Server, Close_CancelsWhatIsLeftAfterTheGrace) {
  run([]() -> task<> {
    server echoing = start_server(echo_stream, "127.0.0.1:0");
    tcp_stream client = co_await tcp_stream::connect(echoing.local_address());
    co_await until([&] { return echoing.connections() == 1; });

    co_await echoing.close(1ms);

    EXPECT_EQ(echoing.connections(), 0u);
    EXPECT_EQ(co_await read_to_end(client), "");
  });
}

TEST_P(Server, Close_EndsAHandlerThatIsStuckInAWrite) {
  run([]() -> task<> {
    std::atomic<bool> writing = false;
    server pouring = start_server(
        [&writing](stream_reader, stream_writer writer) -> task<> {
          writer.write(std::string(10'000'000, 'x'));
          writing = true;
          co_await writer.drain();
        },
        "127.0.0.1:0");
    const tcp_stream client = co_await tcp_stream::connect(pouring.local_address());
    co_await until([&] { return writing.load(); });

    co_await pouring.close(1ms);

    EXPECT_EQ(pouring.connections(), 0u);
  });
}

TEST_P(Server, CancelledHandlers_AreNotReported) {
  reported_exceptions = 0;
  runtime_options options;
  options.workers = GetParam();
  options.exception_handler = [](const exception_context&) { ++reported_exceptions; };
  const auto body = []() -> task<> {
    server echoing = start_server(echo_lines, "127.0.0.1:0");
    auto [reader, writer] = co_await open_connection(echoing.local_address());
    co_await writer.write_all("x\n");
    EXPECT_EQ(co_await reader.read_line(), "x");

    co_await echoing.close(0ms);

    EXPECT_EQ(co_await reader.read_line(), std::nullopt);
  };
  weft::run(body, options);
  EXPECT_EQ(reported_exceptions, 0);
  expect_clean_ledger();
}

TEST_P(Server, HandlerThatReturns_EndsItsConnectionWithWhatIsUnsent) {
  run([]() -> task<> {
    server generous = start_server(
        [](stream_reader, stream_writer writer) -> task<> {
          writer.write(pattern(3'000'000));
          co_return;
        },
        "127.0.0.1:0");
    tcp_stream client = co_await tcp_stream::connect(generous.local_address());

    EXPECT_TRUE(co_await read_to_end(client) == pattern(3'000'000));
    co_await generous.close();
  });
}

TEST_P(Server, Close_AwaitsTheCleanUpOfCancelledHandlers) {
  run([]() -> task<> {
    std::atomic<bool> cleaned_up = false;
    server tidy = start_server(
        [&cleaned_up](tcp_stream stream) -> task<> {
          auto body = [&stream]() -> task<> { (void)co_await read_to_end(stream); };
          auto clean_up = [&cleaned_up]() -> task<> {
            co_await sleep(1ms);
            cleaned_up = true;
          };
          co_await try_finally(std::ref(body), std::ref(clean_up));
        },
        "127.0.0.1:0");
    tcp_stream client = co_await tcp_stream::connect(tidy.local_address());
    co_await client.write_all("x");
    co_await until([&] { return tidy.connections() == 1; });
    for (int i = 0; i < 100; ++i) co_await yield();

    co_await tidy.close(0ms);

    EXPECT_EQ(tidy.connections(), 0u);
    EXPECT_TRUE(cleaned_up);
  });
}

TEST_P(Server, ClosedServer_RefusesConnections) {
  run([]() -> task<> {
    server echoing = start_server(echo_stream, "127.0.0.1:0");
    const socket_address at = echoing.local_address();
    co_await echoing.close();

    const auto outcome = co_await as_result(tcp_stream::connect(at));

    EXPECT_EQ(outcome.error_code().value(), ECONNREFUSED);
    EXPECT_EQ(echoing.local_address(), at);
    co_await echoing.close();  // again
    co_await echoing.wait_closed();
    co_await echoing.serve_forever();
  });
}

TEST_P(Server, WaitClosed_EndsWithTheLastConnection) {
  run([]() -> task<> {
    server echoing = start_server(echo_stream, "127.0.0.1:0");
    tcp_stream client = co_await tcp_stream::connect(echoing.local_address());
    co_await until([&] { return echoing.connections() == 1; });
    auto waiting = spawn(echoing.wait_closed());
    auto closing = spawn(echoing.close(1h));
    co_await until_waiting(waiting);
    EXPECT_FALSE(waiting.done());

    client.close();

    co_await waiting;
    co_await closing;
  });
}

TEST_P(Server, DroppedServer_StopsAndCancelsItsHandlers) {
  run([]() -> task<> {
    std::optional<server> echoing(start_server(echo_stream, "127.0.0.1:0"));
    const socket_address at = echoing->local_address();
    tcp_stream client = co_await tcp_stream::connect(at);
    co_await client.write_all("x");
    std::string buffer(1, '\0');
    EXPECT_EQ(co_await client.read_some(buffer), 1u);

    echoing.reset();

    EXPECT_EQ(co_await read_to_end(client), "");
    for (;;) {  // the accepting task closes the listener soon
      const auto outcome = co_await as_result(tcp_stream::connect(at));
      if (!outcome.has_value()) break;
      co_await yield();
    }
  });
}

TEST_P(Server, CancelledServeForever_StopsAccepting) {
  run([]() -> task<> {
    server echoing = start_server(echo_stream, "127.0.0.1:0");
    auto serving = spawn(echoing.serve_forever());
    co_await until_waiting(serving);

    serving.cancel();
    const auto outcome = co_await as_result(std::move(serving));

    EXPECT_TRUE(outcome.cancelled());
    co_await echoing.wait_closed();
  });
}

TEST_P(Server, SecondServeForever_WaitsForTheEndThatTheFirstOneMakes) {
  run([]() -> task<> {
    server echoing = start_server(echo_stream, "127.0.0.1:0");
    tcp_stream client = co_await tcp_stream::connect(echoing.local_address());
    co_await until([&] { return echoing.connections() == 1; });
    auto first = spawn(echoing.serve_forever());
    auto second = spawn(echoing.serve_forever());
    co_await until_waiting(first);
    co_await until_waiting(second);

    first.cancel();
    const ending of_first = co_await end_of(first);
    const bool early = second.done();
    client.close();
    const ending of_second = co_await end_of(second);

    EXPECT_EQ(of_first, ending::cancelled);
    EXPECT_FALSE(early);
    EXPECT_EQ(of_second, ending::value);
  });
}

TEST_P(Server, EndOfTheProgram_EndsServerAndConnections) {
  run([]() -> task<> {
    server echoing = start_server(echo_lines, "127.0.0.1:0");
    auto [reader, writer] = co_await open_connection(echoing.local_address());
    co_await writer.write_all("x\n");
    EXPECT_EQ(co_await reader.read_line(), "x");
  });
}

/// A server, clients that wait for its answer, and others that wait for what nobody sends.
task<> everything_that_waits(runtime& where) {
  server echoing = start_server(echo_stream, "127.0.0.1:0");
  const socket_address at = echoing.local_address();
  for (int i = 0; i < 10; ++i) {
    where
        .spawn([](socket_address to) -> task<> {
          tcp_stream client = co_await tcp_stream::connect(to);
          (void)co_await read_to_end(client);
        }(at))
        .detach();
  }
  where
      .spawn([]() -> task<> {
        udp_socket receiver = udp_socket::bind("127.0.0.1:0");
        std::array<char, 16> buffer{};
        (void)co_await receiver.recv_from(buffer);
      }())
      .detach();
  where
      .spawn([]() -> task<> {
        pipe_ends ends = pipe();
        (void)co_await read_to_end(ends.reader);
      }())
      .detach();
  co_await until([&] { return echoing.connections() == 10; });
  where.spawn([](server kept) -> task<> { co_await kept.serve_forever(); }(std::move(echoing)))
      .detach();
  co_await until([] { return take_ledger().waiters >= 23; });
}

TEST_P(Server, RuntimeDestroyedWithAllThatWaits_LeavesNothing) {
  std::optional<stream_pair> outlives;
  std::atomic<int> reports = 0;
  {
    runtime rt({.workers = GetParam()});
    rt.set_exception_handler([&](const exception_context&) { ++reports; });
    rt.run([&]() -> task<> {
      outlives.emplace(co_await connected_pair());
      rt.spawn([](tcp_stream& from) -> task<> { (void)co_await read_once(from); }(outlives->near))
          .detach();
      co_await everything_that_waits(rt);
    });
  }

  EXPECT_EQ(reports, 0);
  EXPECT_EQ(take_ledger().fds, 2);
  outlives.reset();
  expect_clean_ledger();
}

// ---- Limits -------------------------------------------------------------------------------------

TEST_P(Server, MaxConnections_AreNeverExceededAndAllAreServed) {
  run([]() -> task<> {
    std::atomic<int> now = 0;
    std::atomic<int> most = 0;
    server few = start_server(
        [&](tcp_stream stream) -> task<> {
          const int active = ++now;
          int seen = most;
          while (active > seen && !most.compare_exchange_weak(seen, active)) {
          }
          std::string buffer(16, '\0');
          const std::size_t count = co_await stream.read_some(buffer);
          for (int i = 0; i < 20; ++i) co_await yield();
          co_await stream.write_all(std::string_view(buffer).substr(0, count));
          --now;
        },
        "127.0.0.1:0", {.max_connections = 3});
    std::vector<task<std::string>> clients;
    for (int i = 0; i < 40; ++i) clients.push_back(ask(few.local_address(), "q"));

    const std::vector<std::string> answers = co_await gather(std::move(clients));

    EXPECT_EQ(answers.size(), 40u);
    EXPECT_LE(most, 3);
    co_await few.close();
  });
}

/// The handlers of a server, with several workers, do not all run where it accepts.
TEST(ServerOnFourWorkers, EchoUnderLoad_KeepsConnectionsApart) {
  const auto body = []() -> task<> {
    server echoing = start_server(echo_lines, "127.0.0.1:0");
    std::vector<task<std::string>> clients;
    for (int i = 0; i < 300; ++i)
      clients.push_back(ask(echoing.local_address(), "client " + std::to_string(i)));
    const std::vector<std::string> answers = co_await gather(std::move(clients));
    for (std::size_t i = 0; i < answers.size(); ++i) {
      EXPECT_EQ(answers[i], "client " + std::to_string(i) + "\n");
    }
    co_await echoing.close();
  };
  weft::run(body, {.workers = 4});
  expect_clean_ledger();
}

// ---- A listener for each worker -----------------------------------------------------------------

/// Listening sockets of the machine on this port, over IPv4.
std::size_t listeners_on(std::uint16_t port) {
  std::ifstream table("/proc/net/tcp");
  std::string line;
  std::getline(table, line);  // titles
  std::size_t count = 0;
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state;
    words >> number >> local >> remote >> state;
    const auto local_port = std::stoul(local.substr(local.find(':') + 1), nullptr, 16);
    if (local_port == port && state == "0A") ++count;
  }
  return count;
}

class ListenerPerWorker : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, ListenerPerWorker,
                         ::testing::Values(std::size_t{1}, std::size_t{2}, std::size_t{4}),
                         [](const auto& each) { return "Workers" + std::to_string(each.param); });

TEST_P(ListenerPerWorker, Listeners_AreAsManyAsWorkersAndShareOneAddress) {
  run([&]() -> task<> {
    server echoing = start_server(echo_lines, "127.0.0.1:0", {.listener_per_worker = true});
    const std::uint16_t port = echoing.local_address().port();

    EXPECT_EQ(listeners_on(port), GetParam());

    co_await echoing.close();
    EXPECT_EQ(listeners_on(port), 0u);
  });
}

TEST_P(ListenerPerWorker, EachWorker_AcceptsConnections) {
  run([&]() -> task<> {
    std::mutex mutex;
    std::set<std::thread::id> accepted_on;
    server echoing = start_server(
        // No coroutine: it runs where its connection was accepted.
        [&](stream_reader reader, stream_writer writer) -> task<> {
          const std::lock_guard guard(mutex);
          accepted_on.insert(std::this_thread::get_id());
          return echo_lines(std::move(reader), std::move(writer));
        },
        "127.0.0.1:0", {.listener_per_worker = true});
    std::vector<task<std::string>> clients;
    for (int i = 0; i < 200; ++i)
      clients.push_back(ask(echoing.local_address(), std::to_string(i)));

    const std::vector<std::string> answers = co_await gather(std::move(clients));

    for (std::size_t i = 0; i < answers.size(); ++i)
      EXPECT_EQ(answers[i], std::to_string(i) + "\n");
    co_await echoing.close();
    EXPECT_EQ(accepted_on.size(), GetParam());
  });
}

TEST_P(ListenerPerWorker, MaxConnections_AreNeverExceededAndAllAreServed) {
  run([]() -> task<> {
    std::atomic<int> now = 0;
    std::atomic<bool> too_many = false;
    server few = start_server(
        [&](stream_reader reader, stream_writer writer) -> task<> {
          if (++now > 2) too_many = true;
          const std::string line = co_await reader.read_until("\n");
          for (int i = 0; i < 20; ++i) co_await yield();
          co_await writer.write_all(line);
          --now;
        },
        "127.0.0.1:0", {.max_connections = 2, .listener_per_worker = true});
    std::vector<task<std::string>> clients;
    for (int i = 0; i < 60; ++i) clients.push_back(ask(few.local_address(), "q"));

    const std::vector<std::string> answers = co_await gather(std::move(clients));

    EXPECT_EQ(answers.size(), 60u);
    EXPECT_FALSE(too_many);
    co_await few.close();
    EXPECT_EQ(few.connections(), 0u);
  });
}

TEST_P(ListenerPerWorker, Close_LeavesNobodyListening) {
  run([]() -> task<> {
    server echoing = start_server(echo_lines, "127.0.0.1:0", {.listener_per_worker = true});
    const socket_address at = echoing.local_address();

    co_await echoing.close();

    for (int i = 0; i < 20; ++i) {
      const auto outcome = co_await as_result(tcp_stream::connect(at));
      EXPECT_EQ(outcome.error_code().value(), ECONNREFUSED);
    }
    co_await echoing.serve_forever();
  });
}

TEST_P(ListenerPerWorker, DroppedServer_StopsAll) {
  run([]() -> task<> {
    std::optional<server> echoing(
        start_server(echo_stream, "127.0.0.1:0", {.listener_per_worker = true}));
    const std::uint16_t port = echoing->local_address().port();

    echoing.reset();

    co_await until([&] { return listeners_on(port) == 0; });
  });
}

TEST_P(ListenerPerWorker, PortOfAnotherServer_IsRefused) {
  run([]() -> task<> {
    server first = start_server(echo_stream, "127.0.0.1:0");
    bool refused = false;
    try {
      (void)start_server(echo_stream, first.local_address(), {.listener_per_worker = true});
    } catch (const std::system_error& error) {
      refused = error.code().value() == EADDRINUSE;
    }
    EXPECT_TRUE(refused);
    co_return;
  });
}

TEST(ListenerPerWorkerInVirtualTime, Connection_IsServed) {
  {
    test_runtime rt;
    rt.run([]() -> task<> {
      server echoing = start_server(echo_lines, "127.0.0.1:0", {.listener_per_worker = true});
      EXPECT_EQ(co_await ask(echoing.local_address(), "hello"), "hello\n");
      co_await echoing.close();
    });
  }
  expect_clean_ledger();
}

}  // namespace
}  // namespace weft
