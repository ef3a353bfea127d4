// What a server costs while nobody asks it anything: no CPU at all, and a little memory for each
// connection.

#include "running_program.h"
#include <weft/tools/support/process_usage.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace weft::tools {

using namespace std::chrono_literals;
using namespace testing_support;

namespace {

void raise_limit() {
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Connections that had one answer each.
class connections {
 public:
  explicit connections(std::string port) : port_(std::move(port)) {}

  void add(int count) {
    for (int i = 0; i < count; ++i) {
      open_.push_back(std::make_unique<test_client>(port_));
      open_.back()->send(get("/plaintext"));
      (void)open_.back()->receive_until("\r\n\r\n");
    }
  }

 private:
  std::string port_;
  std::vector<std::unique_ptr<test_client>> open_;
};

/// The wait is for nothing to happen; the only event that cuts it short is the end of the process.
bool ends_within_a_second(pid_t process) {
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
  pollfd end{descriptor, POLLIN, 0};
  const bool ended = ::poll(&end, 1, 1000) != 0;
  ::close(descriptor);
  return ended;
}

/// Waits until the process has slept for a second on end; false if it never does.
bool comes_to_rest(pid_t process) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t before = usage_of(process).context_switches;
    if (ends_within_a_second(process)) return false;
    if (usage_of(process).context_switches == before) return true;
  }
  return false;
}

using kind = std::tuple<const char*, const char*>;  // program and workers

struct RestingServer : testing::TestWithParam<kind> {
  void SetUp() override {
    if (!programs_are_built()) GTEST_SKIP() << "the programs are not built";
    raise_limit();
  }
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Programs, RestingServer,
                         testing::Combine(testing::Values("weft-echo", "weft-httpd"),
                                          testing::Values("1", "2", "4")),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)).substr(5) + "_" +
                                  std::get<1>(test.param);
                         });

TEST_P(RestingServer, WithConnectionsAndWithout_SleepsForGood) {
  const auto [name, workers] = GetParam();
  running_program server(name, {"--listen", "127.0.0.1:0", "--workers", workers});
  connections idle(server.port());

  EXPECT_TRUE(comes_to_rest(server.pid()));
  idle.add(100);
  EXPECT_TRUE(comes_to_rest(server.pid()));
}

TEST_P(RestingServer, IdleConnection_HoldsLessThanAKilobyte) {
  const auto [name, workers] = GetParam();
  running_program server(name, {"--listen", "127.0.0.1:0", "--workers", workers});
  connections idle(server.port());
  constexpr int count = 1'000;

  idle.add(300);  // what the server needs anyway
  const std::int64_t before = usage_of(server.pid()).resident_bytes;
  idle.add(count);
  const std::int64_t grown = usage_of(server.pid()).resident_bytes - before;

  EXPECT_LT(grown / count, 1'024);
}

}  // namespace weft::tools
