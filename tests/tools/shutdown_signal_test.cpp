#include <weft/runtime/runtime.h>
#include <weft/tools/support/shutdown_signal.h>

#include <gtest/gtest.h>

#include <csignal>

#include <signal.h>

namespace weft::tools {

namespace {

task<int> first_signal() {
  shutdown_signal stop;
  const int signal = co_await stop.wait();
  co_return signal;
}

struct ShutdownSignal : testing::Test {
  void SetUp() override {
    for (const int signal : {SIGINT, SIGTERM}) ASSERT_EQ(::sigaction(signal, nullptr, &before_), 0);
    expect_shutdown_signals();
  }
  void TearDown() override {
    for (const int signal : {SIGINT, SIGTERM}) (void)::sigaction(signal, &before_, nullptr);
  }
  struct sigaction before_ = {};  // the same for both: the default
};

}  // namespace

TEST_F(ShutdownSignal, OneThatCameTooEarly_IsTheFirst) {
  (void)std::raise(SIGTERM);

  EXPECT_EQ(run(first_signal(), {.workers = 1, .handle_sigint = false}), SIGTERM);
}

TEST_F(ShutdownSignal, EarlyOne_IsGivenOnce) {
  const auto body = []() -> task<int> {
    shutdown_signal stop;
    (void)co_await stop.wait();
    (void)std::raise(SIGINT);
    const int second = co_await stop.wait();
    co_return second;
  };
  (void)std::raise(SIGTERM);

  EXPECT_EQ(run(body(), {.workers = 1, .handle_sigint = false}), SIGINT);
}

}  // namespace weft::tools
