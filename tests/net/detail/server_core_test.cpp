#include "../loopback.h"
#include <weft/net/detail/server_core.h>
#include <weft/runtime/cancel.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace weft::detail {
namespace {

using namespace testing;

class ServerCore : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, ServerCore, one_and_two_workers(), workers_name);

std::vector<tcp_listener> one_listener() {
  std::vector<tcp_listener> listeners;
  listeners.push_back(tcp_listener::bind("127.0.0.1:0"));
  return listeners;
}

/// Each handler greets and then reads to the end of its connection.
class greeting_core final : public server_core {
 public:
  explicit greeting_core(std::size_t max_connections = 0)
      : server_core(one_listener(), max_connections) {}

  std::atomic<int> begun{0};
  std::atomic<int> cancelled{0};
  std::atomic<bool> refuse{false};  // throw before there is a task

 private:
  task<> serve(tcp_stream stream) override {
    if (refuse) throw std::runtime_error("refused");
    return greet(this, std::move(stream));
  }
  static task<> greet(greeting_core* core, tcp_stream stream) {
    try {
      ++core->begun;
      co_await stream.write_all("!");
      (void)co_await read_to_end(stream);
    } catch (const cancelled_error&) {
      ++core->cancelled;
      throw;
    } catch (const std::system_error&) {  // a client that did not wait for its greeting
    }
  }
};

std::shared_ptr<greeting_core> started_core(std::size_t max_connections = 0) {
  auto core = std::make_shared<greeting_core>(max_connections);
  core->start();
  return core;
}

/// A client that was greeted.
task<tcp_stream> greeted(socket_address at) {
  tcp_stream client = co_await tcp_stream::connect(at);
  std::string greeting(1, '\0');
  EXPECT_EQ(co_await client.read_some(greeting), 1u);
  co_return client;
}

task<> stop(const std::shared_ptr<greeting_core>& core) {
  core->stop_accepting();
  core->cancel_connections();
  co_await core->quiet().wait();
  EXPECT_EQ(core->connections(), 0u);
}

bool refused(const result<tcp_stream>& outcome) {
  return outcome.error_code().value() == ECONNREFUSED;
}

// ---- Beginning ----------------------------------------------------------------------------------

TEST(ServerCoreOutsideOfARuntime, Start_ThrowsAndClosesTheListener) {
  {
    const auto core = std::make_shared<greeting_core>();
    EXPECT_THROW(core->start(), std::logic_error);
    EXPECT_TRUE(core->quiet().is_set());
  }
  expect_clean_ledger();
}

TEST(ServerCoreOutsideOfARuntime, NeverStarted_ClosesTheListener) {
  {
    const auto core = std::make_shared<greeting_core>();
  }
  expect_clean_ledger();
}

TEST_P(ServerCore, Connections_AreCountedUntilTheyEnd) {
  run([]() -> task<> {
    const auto core = started_core();
    tcp_stream first = co_await greeted(core->local_address());
    tcp_stream second = co_await greeted(core->local_address());
    EXPECT_EQ(core->connections(), 2u);

    first.close();
    co_await until([&] { return core->connections() == 1; });
    second.close();
    co_await until([&] { return core->connections() == 0; });

    EXPECT_FALSE(core->quiet().is_set());  // it still accepts
    co_await stop(core);
  });
}

std::atomic<int> reports{0};

TEST_P(ServerCore, HandlerThatThrowsBeforeItIsATask_IsReportedAndNotCounted) {
  reports = 0;
  runtime_options options;
  options.workers = GetParam();
  options.exception_handler = [](const exception_context&) { ++reports; };
  const auto body = []() -> task<> {
    const auto core = started_core();
    core->refuse = true;
    tcp_stream client = co_await tcp_stream::connect(core->local_address());
    EXPECT_EQ(co_await read_to_end(client), "");
    EXPECT_EQ(core->connections(), 0u);
    core->refuse = false;

    const tcp_stream next = co_await greeted(core->local_address());

    EXPECT_EQ(core->connections(), 1u);
    co_await stop(core);
  };
  weft::run(body, options);
  EXPECT_EQ(reports, 1);
  expect_clean_ledger();
}

// ---- The limit ----------------------------------------------------------------------------------

TEST_P(ServerCore, ConnectionBeyondTheLimit_WaitsForTheEndOfAnother) {
  run([]() -> task<> {
    const auto core = started_core(2);
    tcp_stream first = co_await greeted(core->local_address());
    const tcp_stream second = co_await greeted(core->local_address());
    auto third = spawn(greeted(core->local_address()));
    for (int i = 0; i < 200; ++i) co_await yield();
    EXPECT_EQ(core->begun, 2);
    EXPECT_EQ(core->connections(), 2u);

    first.close();
    const tcp_stream served = co_await third;

    EXPECT_EQ(core->begun, 3);
    EXPECT_EQ(core->connections(), 2u);
    co_await stop(core);
  });
}

TEST_P(ServerCore, StoppedAtTheLimit_EndsWithoutAnotherConnection) {
  run([]() -> task<> {
    const auto core = started_core(1);
    const tcp_stream only = co_await greeted(core->local_address());

    co_await stop(core);

    EXPECT_EQ(core->begun, 1);
  });
}

// ---- Stopping -----------------------------------------------------------------------------------

TEST_P(ServerCore, StoppedBeforeItHasRun_ClosesTheListener) {
  run([]() -> task<> {
    const auto core = started_core();
    core->stop_accepting();
    core->stop_accepting();

    co_await core->quiet().wait();

    const auto outcome = co_await as_result(tcp_stream::connect(core->local_address()));
    EXPECT_TRUE(refused(outcome));
    co_await core->check_accepting();  // no error
  });
}

TEST_P(ServerCore, StoppedAccepting_LetsConnectionsGoOn) {
  run([]() -> task<> {
    const auto core = started_core();
    tcp_stream client = co_await greeted(core->local_address());

    core->stop_accepting();
    for (;;) {  // the accepting task closes the listener soon
      const auto outcome = co_await as_result(tcp_stream::connect(core->local_address()));
      if (refused(outcome)) break;
      co_await yield();
    }
    EXPECT_FALSE(core->quiet().is_set());
    EXPECT_GE(core->connections(), 1u);
    EXPECT_EQ(core->cancelled, 0);

    client.close();
    co_await core->quiet().wait();
    EXPECT_EQ(core->connections(), 0u);
  });
}

TEST_P(ServerCore, CancelledConnections_EndAndItGoesOnAccepting) {
  run([]() -> task<> {
    const auto core = started_core();
    tcp_stream first = co_await greeted(core->local_address());
    tcp_stream second = co_await greeted(core->local_address());

    core->cancel_connections();

    EXPECT_EQ(co_await read_to_end(first), "");
    EXPECT_EQ(co_await read_to_end(second), "");
    co_await until([&] { return core->connections() == 0; });
    EXPECT_EQ(core->cancelled, 2);
    EXPECT_FALSE(core->quiet().is_set());
    co_await stop(core);
  });
}

TEST_P(ServerCore, ConnectionsAfterTheCancellation_AreCancelledToo) {
  run([]() -> task<> {
    const auto core = started_core();
    core->cancel_connections();

    tcp_stream late = co_await tcp_stream::connect(core->local_address());
    const auto received = co_await as_result(read_to_end(late));  // ends, whether greeted or not

    EXPECT_TRUE(!received.has_value() || received.value().size() <= 1);
    co_await until([&] { return core->connections() == 0; });
    co_await stop(core);
  });
}

TEST_P(ServerCore, QuietServer_StaysQuiet) {
  run([]() -> task<> {
    const auto core = started_core();
    co_await stop(core);

    core->stop_accepting();
    core->cancel_connections();

    EXPECT_TRUE(core->quiet().is_set());
    co_await core->quiet().wait();
  });
}

TEST_P(ServerCore, Core_LivesUntilItsLastConnectionHasEnded) {
  run([]() -> task<> {
    auto core = started_core();
    const std::weak_ptr<greeting_core> observed = core;
    tcp_stream client = co_await greeted(core->local_address());
    core->stop_accepting();
    core.reset();
    for (int i = 0; i < 100; ++i) co_await yield();
    EXPECT_FALSE(observed.expired());

    client.close();

    co_await until([&] { return observed.expired(); });
  });
}

// ---- Errors of accept ---------------------------------------------------------------------------

TEST_P(ServerCore, AcceptThatFails_EndsAcceptingAndIsTold) {
  run([]() -> task<> {
    const auto core = started_core();
    const tcp_stream before = co_await greeted(core->local_address());
    {
      const interposed_calls failing(
          [](sys::call which, int) noexcept { return which == sys::call::accept ? EINVAL : 0; });
      const auto unserved = co_await as_result(tcp_stream::connect(core->local_address()));
      for (;;) {
        const auto outcome = co_await as_result(tcp_stream::connect(core->local_address()));
        if (refused(outcome)) break;
        co_await yield();
      }
    }
    EXPECT_EQ(core->connections(), 1u);  // which goes on
    EXPECT_FALSE(core->quiet().is_set());

    core->cancel_connections();
    co_await core->quiet().wait();

    try {
      co_await core->check_accepting();
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_THAT(error.what(),
                  ::testing::MatchesRegex("accept 127.0.0.1:[0-9]+: Invalid argument"));
    }
  });
}

task<std::shared_ptr<greeting_core>> start_here() {
  co_return started_core();
}
task<> look_as_soon_as_accepting_ends() {
  for (int i = 0; i < 200; ++i) {
    const auto core = co_await spawn_on(1, start_here());
    // It is woken by this connection, and fails while we look.
    const auto unserved = co_await as_result(tcp_stream::connect(core->local_address()));
    while (!core->quiet().is_set()) cpu_relax();

    EXPECT_THROW(co_await core->check_accepting(), std::system_error);
  }
}

// Once quiet() is set, the accepting task may still be at its last instructions on another worker.
TEST(ServerCoreOnTwoWorkers, AcceptThatFails_IsToldHoweverSoonOneLooks) {
  const interposed_calls failing(
      [](sys::call which, int) noexcept { return which == sys::call::accept ? EINVAL : 0; });
  runtime two({.workers = 2});
  two.run([]() -> task<> { co_await spawn_on(0, look_as_soon_as_accepting_ends()); });
}

TEST_P(ServerCore, ConnectionsThatEndedBeforeAccept_DoNotEndIt) {
  static std::atomic<int> failures;
  failures = 0;
  run([]() -> task<> {
    const auto core = started_core();
    const interposed_calls failing([](sys::call which, int) noexcept {
      return which == sys::call::accept && ++failures <= 5 ? ECONNABORTED : 0;
    });

    const tcp_stream client = co_await greeted(core->local_address());

    EXPECT_GT(failures, 5);
    co_await stop(core);
    co_await core->check_accepting();
  });
}

TEST_P(ServerCore, DescriptorsThatRunOut_DelayTheConnectionOnly) {
  static std::atomic<int> failures;
  failures = 0;
  run([]() -> task<> {
    const auto core = started_core();
    const interposed_calls failing([](sys::call which, int) noexcept {
      return which == sys::call::accept && ++failures <= 2 ? EMFILE : 0;
    });

    const tcp_stream client = co_await greeted(core->local_address());

    EXPECT_GT(failures, 2);
    co_await stop(core);
    co_await core->check_accepting();
  });
}

}  // namespace
}  // namespace weft::detail
