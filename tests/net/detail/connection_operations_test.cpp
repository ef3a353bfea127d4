#include "../loopback.h"
#include <weft/net/detail/connection_operations.h>

#include <atomic>
#include <vector>

#include <sys/resource.h>

namespace weft {
namespace {

using namespace testing;

std::atomic<int> accepts;
std::atomic<int> failing_accepts;
std::atomic<int> accept_error;

int fail_some_accepts(detail::sys::call which, int) noexcept {
  if (which != detail::sys::call::accept) return 0;
  ++accepts;
  return failing_accepts.fetch_sub(1) > 0 ? accept_error.load() : 0;
}

class AcceptOperation : public on_loopback {
 protected:
  void SetUp() override { accepts = 0; }
};
INSTANTIATE_TEST_SUITE_P(Workers, AcceptOperation, one_and_two_workers(), workers_name);

TEST_P(AcceptOperation, ConnectionsThatBrokeBefore_AreSkipped) {
  for (const int error : {ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, EPERM, ETIMEDOUT}) {
    failing_accepts = 3;
    accept_error = error;
    run([]() -> task<> {
      const interposed_calls faults(fail_some_accepts);
      tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
      tcp_stream near = co_await tcp_stream::connect(listener.local_address());

      tcp_stream far = co_await listener.accept();

      EXPECT_EQ(far.peer_address(), near.local_address());
    });
    EXPECT_LE(failing_accepts, 0);
  }
}

TEST_P(AcceptOperation, OwnMistake_IsAnError) {
  failing_accepts = 1;
  accept_error = EINVAL;
  run([]() -> task<> {
    const interposed_calls faults(fail_some_accepts);
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    tcp_stream near = co_await tcp_stream::connect(listener.local_address());

    const auto outcome = co_await as_result(listener.accept());

    EXPECT_EQ(outcome.error_code().value(), EINVAL);
  });
}

TEST(AcceptOperationInVirtualTime, Exhaustion_BacksOffFromTenMillisecondsToOneSecond) {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    accepts = 0;
    failing_accepts = 9;
    accept_error = error;
    const clock::duration elapsed = in_virtual_time([]() -> task<> {
      const interposed_calls faults(fail_some_accepts);
      tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
      tcp_stream near = co_await tcp_stream::connect(listener.local_address());

      tcp_stream far = co_await listener.accept();
      EXPECT_TRUE(far.is_open());
    });
    EXPECT_EQ(elapsed, (10 + 20 + 40 + 80 + 160 + 320 + 640 + 1000 + 1000) * 1ms);
    EXPECT_EQ(accepts, 10);
  }
}

TEST(AcceptOperationInVirtualTime, CancelledBackOff_LeavesNoTimer) {
  failing_accepts = 1'000'000;
  accept_error = EMFILE;
  const clock::duration elapsed = in_virtual_time([]() -> task<> {
    const interposed_calls faults(fail_some_accepts);
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    tcp_stream near = co_await tcp_stream::connect(listener.local_address());

    const auto outcome = co_await as_result(wait_for(listener.accept(), 15ms));

    EXPECT_FALSE(outcome.has_value());
    EXPECT_EQ(take_ledger().timers, 0);
  });
  EXPECT_EQ(elapsed, 15ms);
}

/// Lets the process open no descriptor beyond those it has.
class no_more_descriptors {
 public:
  no_more_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(0);  // the lowest free number
    ::close(next);
    const rlimit none{.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~no_more_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  no_more_descriptors(const no_more_descriptors&) = delete;
  no_more_descriptors& operator=(const no_more_descriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_P(AcceptOperation, NoDescriptorLeft_WaitsWithoutSpinningAndServesTheBacklogLater) {
  failing_accepts = 0;
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    std::vector<tcp_stream> clients;
    for (int i = 0; i < 5; ++i)
      clients.push_back(co_await tcp_stream::connect(listener.local_address()));
    const interposed_calls counting(fail_some_accepts);
    std::vector<tcp_stream> accepted;
    auto accepting = spawn(
        [](tcp_listener& on, std::vector<tcp_stream>& all) -> task<> {
          while (all.size() < 5) all.push_back(co_await on.accept());
        },
        std::ref(listener), std::ref(accepted));
    {
      const no_more_descriptors limit;
      co_await until([] { return accepts >= 3; });  // it has tried, and tried again
      EXPECT_FALSE(accepting.done());
      EXPECT_LE(accepts, 4);
    }
    co_await accepting;
    EXPECT_EQ(accepted.size(), 5u);
  });
}

TEST(OpenSocket, Failure_NamesOperationAndAddress) {
  try {
    const interposed_calls faults([](detail::sys::call which, int) noexcept {
      return which == detail::sys::call::socket ? EMFILE : 0;
    });
    (void)tcp_listener::bind("127.0.0.1:4711");
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "bind 127.0.0.1:4711: Too many open files");
  }
}

TEST(ConnectOperation, NoDescriptorLeft_IsToldWhenItIsAwaited) {
  const auto body = []() -> task<> {
    const interposed_calls faults([](detail::sys::call which, int) noexcept {
      return which == detail::sys::call::socket ? EMFILE : 0;
    });
    auto connecting = tcp_stream::connect("127.0.0.1:4711");
    const auto outcome = co_await as_result(std::move(connecting));
    EXPECT_EQ(outcome.error_code().value(), EMFILE);
  };
  weft::run(body, {.workers = 1});
  expect_clean_ledger();
}

TEST(ConnectOperation, NeverAwaited_ClosesItsSocket) {
  const auto body = []() -> task<> {
    {
      auto connecting = tcp_stream::connect("127.0.0.1:4711");
    }
    co_return;
  };
  weft::run(body, {.workers = 1});
  expect_clean_ledger();
}

}  // namespace
}  // namespace weft
