#include "loopback.h"
#include <weft/net/resolve.h>
#include <weft/runtime/to_thread.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <netdb.h>

namespace weft {
namespace {

using namespace testing;

class Resolve : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, Resolve, one_and_two_workers(), workers_name);

TEST_P(Resolve, Localhost_IsALoopbackAddress) {
  run([]() -> task<> {
    const std::vector<socket_address> found = co_await resolve("localhost", "80");

    EXPECT_FALSE(found.empty());
    for (const socket_address& each : found) {
      EXPECT_TRUE(each.host() == "127.0.0.1" || each.host() == "::1") << each.to_string();
      EXPECT_EQ(each.port(), 80);
    }
  });
}

TEST_P(Resolve, NumericAddress_NeedsNoLookUp) {
  run([]() -> task<> {
    const std::uint64_t threads = runtime::current().metrics().blocking_threads;
    const std::vector<socket_address> v4 = co_await resolve("127.0.0.1", "8080");
    const std::vector<socket_address> v6 = co_await resolve("::1", "");

    EXPECT_EQ(v4, std::vector<socket_address>{"127.0.0.1:8080"});
    EXPECT_EQ(v6, std::vector<socket_address>{"[::1]:0"});
    EXPECT_EQ(runtime::current().metrics().blocking_threads, threads);
  });
}

TEST_P(Resolve, ServiceName_IsAPort) {
  run([]() -> task<> {
    auto found = co_await as_result(resolve("127.0.0.1", "http"));
    if (found.has_value()) {  // a machine without /etc/services does not know
      EXPECT_EQ(found->front().to_string(), "127.0.0.1:80");
    }
  });
}

TEST_P(Resolve, UnknownName_IsNamed) {
  run([]() -> task<> {
    try {
      (void)co_await resolve("no such host", "80");
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().category(), resolve_category());
      EXPECT_NE(std::string_view(error.what()).find("resolve no such host: "),
                std::string_view::npos);
    }
  });
}

TEST_P(Resolve, NulInside_IsRefused) {
  using namespace std::string_view_literals;
  run([]() -> task<> {
    EXPECT_THROW((void)resolve("localhost\0.evil"sv, "80"), std::invalid_argument);
    EXPECT_THROW((void)resolve("localhost", "8\0"sv), std::invalid_argument);
    co_return;
  });
}

// Both threads of the pool stand still until the name is there.
TEST_P(Resolve, LookUp_DoesNotWaitBehindBusyBlockingThreads) {
  std::latch go_on(1);
  std::atomic<int> begun{0};
  weft::run(
      [&]() -> task<> {
        const auto wait_for_the_name = [&] {
          ++begun;
          go_on.wait();
        };
        std::vector<join_handle<>> calls;
        for (int i = 0; i < 5; ++i) calls.push_back(spawn(to_thread(wait_for_the_name)));
        co_await until([&] { return begun == 2; });

        const std::vector<socket_address> found = co_await resolve("localhost", "80");

        EXPECT_FALSE(found.empty());
        go_on.count_down();
        for (join_handle<>& each : calls) co_await each;
      },
      {.workers = GetParam(), .max_blocking_threads = 2});
  expect_clean_ledger();
}

TEST_P(Resolve, Cancelled_ReturnsWithoutItsResult) {
  run([]() -> task<> {
    auto resolving = spawn(resolve("localhost", "80"));
    co_await until_waiting(resolving);
    resolving.cancel();
    const auto outcome = co_await as_result(std::move(resolving));
    EXPECT_TRUE(outcome.cancelled() || outcome.has_value());
  });
}

}  // namespace
}  // namespace weft
