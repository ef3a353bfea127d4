#include <weft/runtime/detail/inbox.h>
#include <weft/runtime/detail/task_state.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace weft::testing {
namespace {

using detail::inbox;
using detail::task_fifo;
using detail::task_state;

TEST(Inbox, EmptyInbox_GivesNothing) {
  inbox arrivals;
  task_fifo into;

  EXPECT_TRUE(arrivals.empty());
  EXPECT_EQ(arrivals.take(into), 0u);
  EXPECT_TRUE(into.empty());
}

TEST(Inbox, Take_GivesEverythingOldestFirst) {
  inbox arrivals;
  std::vector<task_state> all(5);
  for (task_state& each : all) arrivals.push(each);
  EXPECT_FALSE(arrivals.empty());
  task_fifo into;

  EXPECT_EQ(arrivals.take(into), 5u);

  EXPECT_TRUE(arrivals.empty());
  for (task_state& each : all) EXPECT_EQ(into.pop(), &each);
}

TEST(Inbox, Take_AppendsToWhatIsThere) {
  inbox arrivals;
  std::vector<task_state> all(3);
  task_fifo into;
  into.push(all[0]);
  arrivals.push(all[1]);
  arrivals.push(all[2]);

  EXPECT_EQ(arrivals.take(into), 2u);

  for (task_state& each : all) EXPECT_EQ(into.pop(), &each);
}

// Senders keep their order, nothing is lost and nothing comes twice, though two threads take: the
// worker, and another that rescues it.
TEST(InboxRace, EveryTask_ArrivesOnceInItsSendersOrder) {
  constexpr std::size_t senders = 3;
  constexpr std::size_t each_sends = 30'000;
  inbox arrivals;
  std::vector<task_state> all(senders * each_sends);
  std::vector<std::atomic<int>> seen(all.size());
  std::atomic<std::size_t> sending{senders};
  std::atomic<bool> out_of_order{false};
  const auto take_all = [&] {
    for (;;) {
      const bool last = sending == 0;
      task_fifo taken;
      arrivals.take(taken);
      std::vector<std::size_t> newest(senders, 0);
      while (const task_state* task = taken.pop()) {
        const auto index = static_cast<std::size_t>(task - all.data());
        ++seen[index];
        std::size_t& before = newest[index / each_sends];
        if (index + 1 <= before) out_of_order = true;
        before = index + 1;
      }
      if (last) return;
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t sender = 0; sender < senders; ++sender) {
    threads.emplace_back([&, sender] {
      for (std::size_t i = 0; i < each_sends; ++i) {
        arrivals.push(all[sender * each_sends + i]);
        if (i % 1000 == 0) std::this_thread::yield();
      }
      --sending;
    });
  }
  threads.emplace_back(take_all);
  take_all();
  for (std::thread& each : threads) each.join();

  EXPECT_TRUE(arrivals.empty());
  EXPECT_FALSE(out_of_order);
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(seen[i].load(), 1) << "task " << i;
}

}  // namespace
}  // namespace weft::testing
