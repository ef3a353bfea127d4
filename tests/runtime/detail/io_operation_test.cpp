#include "readable_pipe.h"
#include "runtimes.h"
#include <weft/runtime/detail/io_operation.h>
#include <weft/runtime/detail/io_source.h>
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/select.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
namespace sys = detail::sys;

class IoOperation : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, IoOperation, every_kind(), name_of);

// ---- One operation -----------------------------------------------------------------------------

TEST_P(IoOperation, BytesThatAreThere_AreReadWithoutWaiting) {
  run([]() -> task<> {
    readable_pipe pipe;
    pipe.write("abc");

    const std::int64_t count = co_await pipe.read();

    EXPECT_EQ(count, 3);
    EXPECT_EQ(pipe.text, "abc");
    EXPECT_EQ(pipe.calls, 1);
    EXPECT_FALSE(pipe.source().registered());  // it never had to wait
  });
}

TEST_P(IoOperation, Operation_WaitsForItsEvent) {
  run([]() -> task<> {
    readable_pipe pipe;
    auto reading = co_await spawn_waiting(read_once, std::ref(pipe));
    EXPECT_EQ(pipe.calls, 1);
    EXPECT_TRUE(pipe.source().registered());

    pipe.write("abc");
    const std::int64_t count = co_await reading;

    EXPECT_EQ(count, 3);
    EXPECT_EQ(pipe.calls, 2);
  });
}

TEST_P(IoOperation, DescriptorKnownToBeEmpty_IsNotAskedAgain) {
  run([]() -> task<> {
    readable_pipe pipe;
    auto first = co_await spawn_waiting(read_once, std::ref(pipe));
    first.cancel();
    (void)co_await ending_of(first);
    const int calls = pipe.calls;

    auto second = co_await spawn_waiting(read_once, std::ref(pipe));

    EXPECT_EQ(pipe.calls, calls);  // the last call said that nothing is there
    second.cancel();
    (void)co_await ending_of(second);
  });
}

TEST_P(IoOperation, EndOfTheStream_IsReportedAsZero) {
  run([]() -> task<> {
    readable_pipe pipe;
    auto reading = co_await spawn_waiting(read_once, std::ref(pipe));

    pipe.end_writing();

    const std::int64_t count = co_await reading;
    EXPECT_EQ(count, 0);
  });
}

// A wake that finds nothing to read does not resume the coroutine.
TEST_P(IoOperation, SpuriousEvent_IsNotSeenByTheTask) {
  run([]() -> task<> {
    readable_pipe pipe;
    std::atomic<bool> resumed{false};
    auto reading = co_await spawn_waiting([&]() -> task<> {
      (void)co_await pipe.read();
      resumed = true;
    });

    pipe.source().on_event(true, false, false);
    while (!reading.done() && pipe.calls < 2) co_await yield();
    co_await until_waiting(reading);
    EXPECT_FALSE(resumed);
    pipe.write("abc");
    co_await reading;

    EXPECT_EQ(pipe.text, "abc");
  });
}

TEST_P(IoOperation, CancelledOperation_LeavesTheBytes) {
  run([]() -> task<> {
    readable_pipe pipe;
    auto reading = co_await spawn_waiting(read_once, std::ref(pipe));

    reading.cancel();
    const ending how = co_await ending_of(reading);
    EXPECT_EQ(how, ending::cancelled);
    pipe.write("abc");
    const std::int64_t count = co_await pipe.read();

    EXPECT_EQ(count, 3);
  });
}

TEST_P(IoOperation, TimedOutOperation_LeavesTheBytes) {
  run([]() -> task<> {
    readable_pipe pipe;

    const auto late = co_await catch_all(wait_for(pipe.read(), 100us));
    pipe.write("abc");
    const std::int64_t count = co_await wait_for(pipe.read(), 1h);

    EXPECT_TRUE(late.threw<timeout_error>());
    EXPECT_EQ(count, 3);
  });
}

TEST_P(IoOperation, Close_EndsAWaitingOperation) {
  run([]() -> task<> {
    readable_pipe pipe;
    auto reading = co_await spawn_waiting(read_once, std::ref(pipe));

    pipe.close();

    const std::int64_t count = co_await reading;
    EXPECT_EQ(count, -ECANCELED);
  });
}

TEST_P(IoOperation, OperationMadeBeforeTheClose_IsNotMadeOnTheNextDescriptor) {
  run([]() -> task<> {
    readable_pipe pipe;
    auto stale = pipe.read();
    pipe.close();
    readable_pipe next;  // the same numbers
    next.write("not yours");

    const std::int64_t count = co_await stale;

    EXPECT_EQ(count, -ECANCELED);
    EXPECT_EQ(next.calls + pipe.calls, 0);
  });
}

TEST_P(IoOperation, SecondReader_IsRefused) {
  run([]() -> task<> {
    readable_pipe pipe;
    auto first = co_await spawn_waiting(read_once, std::ref(pipe));

    const std::int64_t refused = co_await pipe.read();
    pipe.write("abc");
    const std::int64_t count = co_await first;

    EXPECT_EQ(refused, -EBUSY);
    EXPECT_EQ(count, 3);
  });
}

TEST_P(IoOperation, ClosedObject_IsABadDescriptor) {
  run([]() -> task<> {
    std::string text;
    std::atomic<int> calls{0};

    const std::int64_t count = co_await read_operation(nullptr, text, calls);

    EXPECT_EQ(count, -EBADF);
    EXPECT_EQ(calls, 0);
  });
}

TEST_P(IoOperation, RefusedRegistration_IsAnErrorAndMayBeTriedAgain) {
  run([]() -> task<> {
    readable_pipe pipe;
    sys::interposer = [](sys::call which, int) noexcept {
      return which == sys::call::epoll_control ? ENOSPC : 0;
    };
    const std::int64_t refused = co_await pipe.read();
    sys::interposer = nullptr;
    EXPECT_EQ(refused, -ENOSPC);
    EXPECT_FALSE(pipe.source().registered());

    auto reading = co_await spawn_waiting(read_once, std::ref(pipe));
    pipe.write("abc");
    const std::int64_t count = co_await reading;

    EXPECT_EQ(count, 3);
  });
}

TEST_P(IoOperation, SecondAwait_Throws) {
  run([]() -> task<> {
    readable_pipe pipe;
    pipe.write("abc");
    auto once = pipe.read();
    (void)co_await once;
    bool refused = false;
    try {
      (void)co_await once;
    } catch (const invalid_state_error&) {
      refused = true;
    }

    EXPECT_TRUE(refused);
  });
}

TEST_P(IoOperation, OperationsThatAreAlwaysReady_LetOthersRun) {
  run([]() -> task<> {
    readable_pipe pipe;
    pipe.write(std::string(4096, 'x'));
    std::atomic<bool> other_ran{false};
    auto other = spawn([&]() -> task<> {
      other_ran = true;
      co_return;
    });
    int reads = 0;
    while (!other_ran) {
      pipe.write("more");
      (void)co_await pipe.read();
      ++reads;
    }
    co_await other;

    EXPECT_LE(reads, detail::operations_per_resume + 2);
  });
}

// ---- In a select -------------------------------------------------------------------------------

TEST_P(IoOperation, LoserOfASelect_ConsumesNothing) {
  run([]() -> task<> {
    readable_pipe one;
    readable_pipe two;
    for (int round = 0; round < 100; ++round) {
      auto writing = spawn([&]() -> task<> {
        one.write("1");
        two.write("2");
        co_return;
      });

      const auto first = co_await select(one.read(), two.read());
      co_await writing;

      readable_pipe& lost = first.index() == 0 ? two : one;
      const std::int64_t count = co_await lost.read();
      EXPECT_EQ(count, 1);
    }

    EXPECT_EQ(one.text, std::string(100, '1'));
    EXPECT_EQ(two.text, std::string(100, '2'));
  });
}

TEST_P(IoOperation, SelectThatATimerWins_LeavesTheBytes) {
  run([]() -> task<> {
    readable_pipe pipe;

    const auto first = co_await select(pipe.read(), sleep(100us));
    EXPECT_EQ(first.index(), 1u);
    pipe.write("abc");
    const std::int64_t count = co_await pipe.read();

    EXPECT_EQ(count, 3);
  });
}

// ---- Races -------------------------------------------------------------------------------------

// Another thread writes while the reader parks: no edge is lost.
TEST_P(IoOperation, WritesOfAnotherThread_AllArrive) {
  constexpr std::size_t bytes = 20'000;
  readable_pipe pipe;
  std::thread writer([&] {
    for (std::size_t i = 0; i < bytes; ++i) {
      pipe.write("x");
      if (i % 64 == 0) std::this_thread::yield();
    }
    pipe.end_writing();
  });
  run([&]() -> task<> {
    for (;;) {
      const std::int64_t count = co_await pipe.read();
      EXPECT_GE(count, 0);
      if (count <= 0) break;
    }
  });
  writer.join();

  EXPECT_EQ(pipe.text.size(), bytes);
}

TEST_P(IoOperation, CancellationsThatMeetTheEvent_LoseNoByte) {
  constexpr int rounds = 500;
  readable_pipe pipe;
  run([&]() -> task<> {
    for (int round = 0; round < rounds; ++round) {
      auto reading = co_await spawn_waiting(read_once, std::ref(pipe));
      auto writing = spawn([&]() -> task<> {
        pipe.write("x");
        co_return;
      });
      reading.cancel();
      const ending how = co_await ending_of(reading);
      co_await writing;
      if (how != ending::cancelled) continue;
      const std::int64_t count = co_await pipe.read();
      EXPECT_EQ(count, 1);
    }
  });

  EXPECT_EQ(pipe.text.size(), static_cast<std::size_t>(rounds));
}

// ---- The source itself --------------------------------------------------------------------------

// The kernel gives a number away only when it was closed, but orders nothing for the language: here
// a relaxed turn does as much. The thread sanitizer sees whether the source orders the rest.
TEST(IoSourceStress, NumberThatIsGivenAway_BringsItsSourceAlong) {
  constexpr int number = 70'001;  // no descriptor of ours
  constexpr int lives = 2'000;
  std::atomic<int> turn{0};
  const auto use = [&](int mine) {
    for (int life = mine; life < lives; life += 2) {
      while (turn.load(std::memory_order_relaxed) != life) std::this_thread::yield();
      detail::io_source* source = detail::io_source::open(number, true);
      EXPECT_EQ(source->fd(), number);
      EXPECT_TRUE(source->take_ready(detail::io_direction::read));
      source->close();
      turn.store(life + 1, std::memory_order_relaxed);
    }
  };

  std::thread other(use, 1);
  use(0);
  other.join();
}

}  // namespace
}  // namespace weft::testing
