#include "every_runtime.h"
#include <weft/runtime/select.h>
#include <weft/runtime/timeout.h>
#include <weft/sync/channel.h>
#include <weft/sync/event.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constinit channel<int> made_before_main(2);
constinit channel<int> rendezvous_before_main(0);

class Channel : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, Channel, every_kind(), name_of);

task<std::optional<int>> recv_one(channel<int>& from) {
  std::optional<int> item = co_await from.recv();
  co_return item;
}
task<bool> send_one(channel<int>& into, int item) {
  const bool sent = co_await into.send(item);
  co_return sent;
}

std::vector<int> drain(channel<int>& from) {
  std::vector<int> items;
  while (const std::optional<int> item = from.try_recv()) items.push_back(*item);
  return items;
}

std::vector<int> numbers_up_to(int end) {
  std::vector<int> numbers(static_cast<std::size_t>(end));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// ---- One item -----------------------------------------------------------------------------------

TEST_P(Channel, Items_ArriveInTheOrderInWhichTheyWereSent) {
  run([]() -> task<> {
    channel<int> three(3);
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < 3; ++i) {
        const bool sent = co_await three.send(i);
        EXPECT_TRUE(sent);
      }
      for (int i = 0; i < 3; ++i) {
        const std::optional<int> item = co_await three.recv();
        EXPECT_EQ(item, i);
      }
    }
  });
}

TEST_P(Channel, FullChannel_MakesSendersWaitInLine) {
  run([]() -> task<> {
    channel<int> one(1);
    EXPECT_TRUE(one.try_send(0));
    EXPECT_FALSE(one.try_send(9));
    auto first = co_await spawn_waiting(send_one, std::ref(one), 1);
    auto second = co_await spawn_waiting(send_one, std::ref(one), 2);

    EXPECT_THAT(drain(one), ElementsAre(0, 1, 2));
    EXPECT_TRUE(co_await first);
    EXPECT_TRUE(co_await second);
  });
}

TEST_P(Channel, Receivers_AreServedInTheOrderInWhichTheyCame) {
  run([]() -> task<> {
    channel<int> two(2);
    auto first = co_await spawn_waiting(recv_one, std::ref(two));
    auto second = co_await spawn_waiting(recv_one, std::ref(two));

    EXPECT_TRUE(two.try_send(1));
    EXPECT_EQ(two.try_recv(), std::nullopt);  // it belongs to the first
    EXPECT_TRUE(two.try_send(2));

    EXPECT_EQ(co_await first, 1);
    EXPECT_EQ(co_await second, 2);
  });
}

TEST_P(Channel, TrySend_MovesOnlyWhatItSends) {
  run([]() -> task<> {
    channel<std::unique_ptr<int>> one(1);
    auto item = std::make_unique<int>(1);
    EXPECT_TRUE(one.try_send(std::move(item)));
    EXPECT_FALSE(item);  // NOLINT(bugprone-use-after-move): that is the point
    item = std::make_unique<int>(2);
    EXPECT_FALSE(one.try_send(std::move(item)));
    EXPECT_TRUE(item);  // NOLINT(bugprone-use-after-move): that is the point
    one.close();
    EXPECT_FALSE(one.try_send(std::move(item)));
    EXPECT_TRUE(item);  // NOLINT(bugprone-use-after-move): that is the point
    const auto received = co_await one.recv();
    EXPECT_TRUE(received && **received == 1);
  });
}

TEST_P(Channel, SendIntoAClosedChannel_LeavesTheItem) {
  run([]() -> task<> {
    channel<std::unique_ptr<int>> items(1);
    items.close();
    auto kept = std::make_unique<int>(1);

    const bool sent = co_await items.send(std::move(kept));

    EXPECT_FALSE(sent);
    EXPECT_NE(kept, nullptr);
  });
}

TEST_P(Channel, SendOfACopy_LeavesTheOriginal) {
  run([]() -> task<> {
    channel<std::string> items(1);
    const std::string original(100, 'x');

    const bool sent = co_await items.send(original);
    const auto received = co_await items.recv();

    EXPECT_TRUE(sent);
    EXPECT_EQ(received, original);
  });
}

TEST_P(Channel, SendThatIsMovedBeforeItsAwait_KeepsItsItem) {
  run([]() -> task<> {
    channel<std::string> one(1);
    auto operation = one.send(std::string(100, 'x'));
    auto moved = std::move(operation);
    const bool sent = co_await std::move(moved);
    EXPECT_TRUE(sent);
    const std::optional<std::string> item = co_await one.recv();
    EXPECT_EQ(item, std::string(100, 'x'));
  });
}

// ---- Closing ------------------------------------------------------------------------------------

TEST_P(Channel, Close_EndsTheStreamAfterItsLastItem) {
  run([]() -> task<> {
    channel<int> two(2);
    EXPECT_TRUE(two.try_send(1));
    EXPECT_FALSE(two.closed());
    two.close();
    two.close();

    EXPECT_TRUE(two.closed());
    const bool sent = co_await two.send(2);
    EXPECT_FALSE(sent);
    std::optional<int> item = co_await two.recv();
    EXPECT_EQ(item, 1);
    item = co_await two.recv();
    EXPECT_EQ(item, std::nullopt);
  });
}

TEST_P(Channel, Close_WakesThoseWhoWait) {
  run([]() -> task<> {
    channel<int> one(1);
    auto receiver = co_await spawn_waiting(recv_one, std::ref(one));
    one.close();
    EXPECT_EQ(co_await receiver, std::nullopt);

    channel<int> full(1);
    EXPECT_TRUE(full.try_send(0));
    auto sender = co_await spawn_waiting(send_one, std::ref(full), 1);
    full.close();
    EXPECT_FALSE(co_await sender);
    EXPECT_THAT(drain(full), ElementsAre(0));
  });
}

// ---- Rendezvous ---------------------------------------------------------------------------------

TEST_P(Channel, Rendezvous_CompletesASendWhenItsItemIsTaken) {
  run([]() -> task<> {
    channel<int> meeting(0);
    EXPECT_FALSE(meeting.try_send(1));
    EXPECT_EQ(meeting.try_recv(), std::nullopt);

    auto sender = co_await spawn_waiting(send_one, std::ref(meeting), 1);
    EXPECT_FALSE(sender.done());
    const std::optional<int> item = co_await meeting.recv();
    EXPECT_EQ(item, 1);
    EXPECT_TRUE(co_await sender);

    auto receiver = co_await spawn_waiting(recv_one, std::ref(meeting));
    EXPECT_TRUE(meeting.try_send(2));
    EXPECT_EQ(co_await receiver, 2);
  });
}

TEST_P(Channel, RendezvousOfTwoSelects_CommitsBothOrNeither) {
  run([]() -> task<> {
    channel<int> left(0);
    channel<int> right(0);
    constexpr int rounds = 300;
    // Both want to give on one channel and to take on the other: each round exactly one item
    // passes.
    const auto play = [](channel<int>& out, channel<int>& in, int& given, int& taken) -> task<> {
      for (int i = 0; i < rounds; ++i) {
        auto first = co_await select(out.send(i), in.recv());
        if (first.index() == 0) {
          EXPECT_TRUE(std::get<0>(first));
          ++given;
        } else {
          EXPECT_TRUE(std::get<1>(first).has_value());
          ++taken;
        }
      }
    };
    int given_a = 0;
    int taken_a = 0;
    int given_b = 0;
    int taken_b = 0;
    auto a = spawn(play, std::ref(left), std::ref(right), std::ref(given_a), std::ref(taken_a));
    auto b = spawn(play, std::ref(right), std::ref(left), std::ref(given_b), std::ref(taken_b));
    co_await a;
    co_await b;

    EXPECT_EQ(given_a, taken_b);
    EXPECT_EQ(given_b, taken_a);
    EXPECT_EQ(given_a + taken_a, rounds);
  });
}

TEST_P(Channel, SelectThatSendsAndReceivesOnOneChannel_DoesNotMeetItself) {
  run([]() -> task<> {
    channel<int> meeting(0);
    const auto either = [](channel<int>& both, int item) -> task<int> {
      auto first = co_await select(both.send(item), both.recv());
      const int got = first.index() == 0 ? -1 : std::get<1>(first).value();
      co_return got;
    };
    auto a = co_await spawn_waiting(either, std::ref(meeting), 1);
    EXPECT_FALSE(a.done());
    auto b = spawn(either, std::ref(meeting), 2);
    const int got_a = co_await a;
    const int got_b = co_await b;

    EXPECT_EQ(std::max(got_a, got_b), got_a == -1 ? 1 : 2);
    EXPECT_EQ(std::min(got_a, got_b), -1);
  });
}

// ---- Many at once -------------------------------------------------------------------------------

TEST_P(Channel, SendMany_SendsAllInOrder) {
  run([]() -> task<> {
    channel<int> four(4);
    std::vector<int> received;
    auto reader = spawn([&]() -> task<> {
      for (;;) {
        const std::optional<int> item = co_await four.recv();
        if (!item) break;
        received.push_back(*item);
      }
    });
    std::vector<int> items = numbers_up_to(100);

    const std::size_t sent = co_await four.send_many(items);
    four.close();
    co_await reader;

    EXPECT_EQ(sent, 100u);
    EXPECT_EQ(received, numbers_up_to(100));
  });
}

TEST_P(Channel, RecvMany_TakesWhatIsThere) {
  run([]() -> task<> {
    channel<int> eight(8);
    std::vector<int> items = numbers_up_to(5);
    std::vector<int> received;
    std::size_t count = co_await eight.send_many(items);
    EXPECT_EQ(count, 5u);

    count = co_await eight.recv_many(received, 3);
    EXPECT_EQ(count, 3u);
    count = co_await eight.recv_many(received, 100);
    EXPECT_EQ(count, 2u);
    EXPECT_EQ(received, numbers_up_to(5));

    eight.close();
    count = co_await eight.recv_many(received, 100);
    EXPECT_EQ(count, 0u);
  });
}

TEST_P(Channel, ManyToMany_OverARendezvous) {
  run([]() -> task<> {
    channel<int> meeting(0);
    std::vector<int> items = numbers_up_to(20);
    auto sender = spawn([&]() -> task<std::size_t> {
      const std::size_t sent = co_await meeting.send_many(items);
      meeting.close();
      co_return sent;
    });
    std::vector<int> received;
    for (;;) {
      const std::size_t count = co_await meeting.recv_many(received, 7);
      if (count == 0) break;
    }

    EXPECT_EQ(co_await sender, 20u);
    EXPECT_EQ(received, numbers_up_to(20));
  });
}

TEST_P(Channel, SendManyThatIsCancelledHalfWay_SaysHowManyItSent) {
  run([]() -> task<> {
    channel<int> two(2);
    std::size_t sent = 0;
    std::vector<int> items = numbers_up_to(5);
    auto sender = co_await spawn_waiting([&]() -> task<> {
      sent = co_await two.send_many(items);
      co_await yield();  // the request is delivered here
    });

    sender.cancel();

    EXPECT_EQ(co_await end_of(sender), ending::cancelled);
    EXPECT_EQ(sent, 2u);
    EXPECT_THAT(drain(two), ElementsAre(0, 1));
  });
}

TEST_P(Channel, SendManyThatCouldNotBegin_IsCancelled) {
  run([]() -> task<> {
    channel<int> one(1);
    EXPECT_TRUE(one.try_send(9));
    std::vector<int> items = numbers_up_to(5);
    auto sender = co_await spawn_waiting([&]() -> task<> {
      (void)co_await one.send_many(items);
      ADD_FAILURE() << "completed";
    });

    sender.cancel();

    EXPECT_EQ(co_await end_of(sender), ending::cancelled);
    EXPECT_THAT(drain(one), ElementsAre(9));
  });
}

TEST_P(Channel, SendManyMeetingClose_SaysHowManyItSent) {
  run([]() -> task<> {
    channel<int> two(2);
    std::vector<int> items = numbers_up_to(5);
    auto sender = co_await spawn_waiting([&]() -> task<std::size_t> {
      const std::size_t sent = co_await two.send_many(items);
      co_return sent;
    });

    two.close();

    EXPECT_EQ(co_await sender, 2u);
  });
}

TEST_P(Channel, SendManyInASelect_SendsWhatFitsAtOnce) {
  run([]() -> task<> {
    channel<int> two(2);
    event never;
    std::vector<int> items = numbers_up_to(5);
    auto first = co_await select(two.send_many(items), never.wait());

    EXPECT_EQ(first.index(), 0u);
    EXPECT_EQ(std::get<0>(first), 2u);
    EXPECT_THAT(drain(two), ElementsAre(0, 1));
  });
}

TEST_P(Channel, LosingSendManyOfASelect_SendsNothing) {
  run([]() -> task<> {
    channel<int> two(2);
    event ready;
    ready.set();
    std::vector<int> items = numbers_up_to(5);
    auto first = co_await select(two.send_many(items), ready.wait());

    EXPECT_EQ(first.index(), 1u);
    EXPECT_EQ(two.size(), 0u);
  });
}

// ---- Cancellation -------------------------------------------------------------------------------

TEST_P(Channel, CancelledReceiver_LosesNoItem) {
  run([]() -> task<> {
    channel<int> one(1);
    auto first = co_await spawn_waiting(recv_one, std::ref(one));
    auto second = co_await spawn_waiting(recv_one, std::ref(one));

    first.cancel();
    EXPECT_TRUE(one.try_send(1));

    EXPECT_EQ(co_await end_of(first), ending::cancelled);
    EXPECT_EQ(co_await second, 1);
  });
}

TEST_P(Channel, CancelledSender_SendsNothing) {
  run([]() -> task<> {
    channel<int> one(1);
    EXPECT_TRUE(one.try_send(0));
    auto first = co_await spawn_waiting(send_one, std::ref(one), 1);
    auto second = co_await spawn_waiting(send_one, std::ref(one), 2);

    first.cancel();
    EXPECT_EQ(co_await end_of(first), ending::cancelled);

    EXPECT_THAT(drain(one), ElementsAre(0, 2));
    EXPECT_TRUE(co_await second);
  });
}

TEST_P(Channel, LosingRecvOfASelect_TakesNoItem) {
  run([]() -> task<> {
    channel<int> one(1);
    event ready;
    auto selecting = co_await spawn_waiting([&]() -> task<std::size_t> {
      auto first = co_await select(one.recv(), ready.wait());
      co_return first.index();
    });

    ready.set();
    EXPECT_TRUE(one.try_send(1));
    const std::size_t winner = co_await selecting;

    EXPECT_EQ(winner, 1u);
    EXPECT_THAT(drain(one), ElementsAre(1));
  });
}

TEST(ChannelInTime, TimedOutRecv_LosesNoItem) {
  test_runtime rt;

  rt.run([]() -> task<> {
    channel<int> one(1);
    bool timed_out = false;
    try {
      (void)co_await wait_for(one.recv(), 50ms);
    } catch (const timeout_error&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    EXPECT_TRUE(one.try_send(1));
    EXPECT_EQ(one.size(), 1u);
  });

  EXPECT_EQ(rt.clock().elapsed(), 50ms);
}

// ---- Stress -------------------------------------------------------------------------------------

// Senders and receivers of every kind on a small channel, cancelled at random: an item that was
// sent arrives once, and those of one sender in order.
TEST(ChannelStress, Cancellations_NeitherLoseNorDoubleItems) {
  const std::uint64_t seed = stress_seed();

  run(
      [seed]() -> task<> {
        std::mt19937_64 random(seed);
        for (int round = 0; round < 200; ++round) {
          channel<int> few(random() % 4);
          std::vector<std::atomic<int>> seen(64);
          std::atomic<std::size_t> sent_count = 0;
          std::atomic<std::size_t> got_count = 0;
          const auto note = [&](int item) {
            ++seen[static_cast<std::size_t>(item)];
            ++got_count;
          };
          std::vector<join_handle<>> tasks;
          for (int sender = 0; sender < 8; ++sender) {
            tasks.push_back(spawn([&, sender]() -> task<> {
              std::vector<int> items(8);
              std::iota(items.begin(), items.end(), sender * 8);
              if (sender % 2 == 0) {
                const std::size_t sent = co_await few.send_many(items);
                sent_count += sent;
                co_return;
              }
              for (const int item : items) {
                const bool sent = co_await few.send(item);
                sent_count += sent ? 1 : 0;
              }
            }));
            tasks.push_back(spawn([&, sender]() -> task<> {
              std::vector<int> into;
              for (int i = 0; i < 8; ++i) {
                if (sender % 2 == 0) {
                  const std::optional<int> item = co_await few.recv();
                  if (item) note(*item);
                } else {
                  into.clear();
                  (void)co_await few.recv_many(into, 3);
                  for (const int item : into) note(item);
                }
              }
            }));
          }
          for (auto& each : tasks) {
            if (random() % 3 == 0) each.cancel();
            if (random() % 4 == 0) co_await yield();
          }
          co_await yield();
          if (random() % 2 == 0) {
            few.close();
          } else {
            for (auto& each : tasks) each.cancel();
          }
          for (auto& each : tasks) (void)co_await end_of(each);
          for (const int item : drain(few)) note(item);
          EXPECT_EQ(got_count, sent_count);
          for (const auto& times : seen) EXPECT_LE(times, 1);
        }
      },
      {.workers = 4});
}

// Selects that send and receive on shared rendezvous channels meet each other from all sides.
TEST(ChannelStress, MeetingSelects_NeverDeadlockNorDisagree) {
  run(
      []() -> task<> {
        channel<int> ring[3] = {channel<int>(0), channel<int>(0), channel<int>(0)};
        std::atomic<int> given = 0;
        std::atomic<int> taken = 0;
        std::vector<join_handle<>> tasks;
        for (std::size_t i = 0; i < 6; ++i) {
          tasks.push_back(spawn([&, i]() -> task<> {
            for (;;) {  // until the channels are closed
              auto first = co_await select(ring[i % 3].send(1), ring[(i + 1) % 3].recv());
              if (first.index() == 0) {
                if (!std::get<0>(first)) break;
                ++given;
              } else {
                if (!std::get<1>(first)) break;
                ++taken;
              }
            }
          }));
        }
        while (given < 2000) co_await yield();
        for (auto& each : ring) each.close();
        for (auto& each : tasks) co_await each;
        EXPECT_EQ(given, taken);
      },
      {.workers = 4});
}

TEST(ChannelBeforeMain, GlobalOne_IsConstantInitialised) {
  test_runtime().run([]() -> task<> {
    auto receiving = co_await spawn_waiting([]() -> task<int> {
      const std::optional<int> first = co_await made_before_main.recv();
      co_return first.value_or(0);
    });

    EXPECT_TRUE(made_before_main.try_send(1));
    const int received = co_await receiving;
    const bool sent = co_await made_before_main.send(2);
    int more[] = {3};
    const std::size_t many = co_await made_before_main.send_many(more);

    EXPECT_EQ(received, 1);
    EXPECT_TRUE(sent);
    EXPECT_EQ(many, 1u);
    EXPECT_FALSE(made_before_main.try_send(4));
    EXPECT_EQ(made_before_main.try_recv(), 2);
    EXPECT_EQ(made_before_main.try_recv(), 3);
  });
}

TEST(ChannelBeforeMain, GlobalRendezvous_IsConstantInitialised) {
  test_runtime().run([]() -> task<> {
    auto receiving =
        co_await spawn_waiting([]() -> task<> { (void)co_await rendezvous_before_main.recv(); });

    EXPECT_TRUE(rendezvous_before_main.try_send(1));
    co_await receiving;
  });
}

}  // namespace
}  // namespace weft::testing
