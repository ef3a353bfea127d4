#include "../loopback.h"
#include <weft/net/detail/server_core.h>

#include <memory>

namespace weft {
namespace {

using namespace testing;

/// Serves nobody for long.
class closing_core final : public detail::server_core {
 public:
  using server_core::server_core;

 private:
  task<> serve(detail::socket_stream stream) override {
    stream.close();
    co_return;
  }
};

std::shared_ptr<closing_core> make_core() {
  return std::make_shared<closing_core>(detail::listen_at("127.0.0.1:0", {}), 0);
}

class ServerCore : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, ServerCore, one_and_two_workers(), workers_name);

TEST_P(ServerCore, StoppedBeforeItRan_BecomesQuiet) {
  run([]() -> task<> {
    const auto core = make_core();
    core->start();
    core->stop_accepting();

    co_await core->quiet().wait();

    EXPECT_EQ(core->connections(), 0u);
    EXPECT_NO_THROW(core->check_accepting());
  });
}

TEST_P(ServerCore, NeverStarted_LeavesNothing) {
  run([]() -> task<> {
    (void)make_core();
    co_return;
  });
}

TEST_P(ServerCore, ConnectionsThatEndAtOnce_AreForgotten) {
  run([]() -> task<> {
    const auto core = make_core();
    core->start();
    for (int i = 0; i < 50; ++i) {
      tcp_stream stream = co_await tcp_stream::connect(core->local_address());
      EXPECT_EQ(co_await read_to_end(stream), "");
    }
    co_await until([&] { return core->connections() == 0; });
    core->stop_accepting();
    co_await core->quiet().wait();
  });
}

TEST_P(ServerCore, AcceptFailure_IsRethrown) {
  run([]() -> task<> {
    const auto core = make_core();
    {
      const interposed_calls faults([](detail::sys::call which, int) noexcept {
        return which == detail::sys::call::accept ? EINVAL : 0;
      });
      core->start();
      const auto refused = co_await as_result(tcp_stream::connect(core->local_address()));
      (void)refused;
      co_await core->quiet().wait();
    }
    EXPECT_THROW(core->check_accepting(), std::system_error);
  });
}

}  // namespace
}  // namespace weft
