#include <weft/runtime/detail/blocking_waiter.h>
#include <weft/runtime/detail/scheduler.h>
#include <weft/runtime/spawn.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <chrono>

namespace weft {
namespace {

using namespace std::chrono_literals;

task<> wait_on(event& gate) {
  co_await gate.wait();
}

TEST(BlockingWaiter, Wait_EndsWithTheTask) {
  detail::scheduler runs({.workers = 2});
  event gate;
  auto child = detail::spawn_task(runs, wait_on(gate), {}, 0);
  detail::blocking_waiter waiter;
  ASSERT_TRUE(detail::add_waiter(*child.state(), waiter));

  EXPECT_FALSE(waiter.wait_until(std::chrono::steady_clock::now() + 1ms));
  gate.set();
  waiter.wait();

  EXPECT_TRUE(child.done());
  EXPECT_TRUE(waiter.wait_until(std::chrono::steady_clock::now()));
}

}  // namespace
}  // namespace weft
