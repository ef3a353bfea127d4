#include "runtimes.h"
#include <weft/runtime/detail/sys.h>
#include <weft/runtime/select.h>
#include <weft/runtime/signal_set.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SignalSet : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, SignalSet, every_kind(), name_of);
class OnSignal : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, OnSignal, every_kind(), name_of);

using handler = void (*)(int);
handler disposition_of(int signal) {
  struct sigaction now = {};
  ::sigaction(signal, nullptr, &now);
  return now.sa_handler;
}

/// To this process, from wherever: workers of several take no signals themselves.
void deliver(int signal) {
  ::kill(::getpid(), signal);
}

task<int> next_of(signal_set& signals) {
  co_return co_await signals.wait();
}

// ---- Waiting ------------------------------------------------------------------------------------

TEST_P(SignalSet, Wait_GivesTheNumberOfTheSignal) {
  run([]() -> task<> {
    signal_set signals(SIGUSR1, SIGUSR2);
    auto waiter = co_await spawn_waiting(next_of, std::ref(signals));

    deliver(SIGUSR2);

    const int got = co_await waiter;
    EXPECT_EQ(got, SIGUSR2);
  });
}

TEST_P(SignalSet, SignalsBeforeTheWait_AreKeptInOrder) {
  signal_set signals(SIGUSR1, SIGUSR2, SIGHUP);
  for (const int each : {SIGUSR2, SIGUSR1, SIGUSR1, SIGHUP}) ::raise(each);

  run([&signals]() -> task<> {
    std::vector<int> got;
    for (int i = 0; i < 4; ++i) {
      const int each = co_await signals.wait();
      got.push_back(each);
    }

    EXPECT_THAT(got, ElementsAre(SIGUSR2, SIGUSR1, SIGUSR1, SIGHUP));
  });
}

TEST_P(SignalSet, SignalsBetweenWaits_AreNotLost) {
  run([]() -> task<> {
    signal_set signals(SIGUSR1);
    for (int i = 0; i < 100; ++i) {
      deliver(SIGUSR1);
      const int got = co_await signals.wait();
      EXPECT_EQ(got, SIGUSR1);
    }
  });
}

TEST_P(SignalSet, EverySetThatNamesASignal_GetsIt) {
  run([]() -> task<> {
    signal_set first(SIGUSR1);
    signal_set second(SIGUSR1, SIGUSR2);

    deliver(SIGUSR1);

    const int got_first = co_await first.wait();
    const int got_second = co_await second.wait();
    EXPECT_EQ(got_first, SIGUSR1);
    EXPECT_EQ(got_second, SIGUSR1);
  });
}

TEST_P(SignalSet, CancelledWait_TakesNothing) {
  run([]() -> task<> {
    signal_set signals(SIGUSR1);
    auto waiter = co_await spawn_waiting(next_of, std::ref(signals));

    waiter.cancel();
    const ending end = co_await end_of(waiter);
    deliver(SIGUSR1);

    EXPECT_EQ(end, ending::cancelled);
    const int got = co_await signals.wait();
    EXPECT_EQ(got, SIGUSR1);
  });
}

TEST_P(SignalSet, LosingWaitOfASelect_TakesNothing) {
  run([]() -> task<> {
    signal_set first(SIGUSR1);
    signal_set second(SIGUSR1);
    deliver(SIGUSR1);

    const auto won = co_await select(first.wait(), second.wait());

    signal_set& loser = won.index() == 0 ? second : first;
    const int got = co_await loser.wait();
    EXPECT_EQ(got, SIGUSR1);
  });
}

TEST(SignalSetTime, ExpiredWait_IsATimeout) {
  weft::run(
      []() -> task<> {
        signal_set signals(SIGUSR1);

        const auto got = co_await catch_all(wait_for(signals.wait(), 1ms));

        EXPECT_TRUE(got.threw<timeout_error>());
      },
      {.workers = 1});
}

TEST_P(SignalSet, SecondWaiter_IsAnInvalidState) {
  run([]() -> task<> {
    signal_set signals(SIGUSR1);
    auto waiter = co_await spawn_waiting(next_of, std::ref(signals));

    const auto second = co_await catch_all(signals.wait());

    EXPECT_TRUE(second.threw<invalid_state_error>());
    deliver(SIGUSR1);
    const int got = co_await waiter;
    EXPECT_EQ(got, SIGUSR1);
  });
}

TEST_P(SignalSet, EndOfTheSet_EndsTheWait) {
  run([]() -> task<> {
    auto signals = std::make_unique<signal_set>(SIGUSR1);
    auto waiter = co_await spawn_waiting(next_of, std::ref(*signals));

    signals.reset();

    const auto got = co_await catch_all(waiter);
    EXPECT_TRUE(got.threw<std::system_error>());
  });
}

TEST(SignalSetRuntimes, SetsOfTwoRuntimes_BothGetIt) {
  runtime other({.workers = 1});
  const auto wait_once = []() -> task<int> {
    signal_set signals(SIGUSR1);
    co_return co_await signals.wait();
  };
  signal_set mine(SIGUSR1);
  auto theirs = std::jthread([&] { EXPECT_EQ(other.run(wait_once), SIGUSR1); });

  weft::run(
      [&mine]() -> task<> {
        // The other runtime may not listen yet: until it has ended, there is one more.
        deliver(SIGUSR1);
        const int got = co_await mine.wait();
        EXPECT_EQ(got, SIGUSR1);
      },
      {.workers = 1});
  std::atomic<bool> ended = false;
  std::jthread repeat([&ended] {
    while (!ended) {
      deliver(SIGUSR1);
      std::this_thread::yield();
    }
  });
  theirs.join();
  ended = true;
}

// ---- What it does to the process ----------------------------------------------------------------

TEST(SignalSetProcess, Disposition_IsRestoredWithTheLastSet) {
  ASSERT_EQ(disposition_of(SIGUSR1), SIG_DFL);
  std::optional<signal_set> first(SIGUSR1);
  std::optional<signal_set> second(SIGUSR1);
  const handler ours = disposition_of(SIGUSR1);
  EXPECT_NE(ours, SIG_DFL);

  first.reset();
  EXPECT_EQ(disposition_of(SIGUSR1), ours);
  second.reset();
  EXPECT_EQ(disposition_of(SIGUSR1), SIG_DFL);
}

TEST(SignalSetProcess, IgnoredSignal_IsIgnoredAgainAfterwards) {
  std::signal(SIGUSR1, SIG_IGN);
  {
    const signal_set signals(SIGUSR1);
    EXPECT_NE(disposition_of(SIGUSR1), SIG_IGN);
  }
  EXPECT_EQ(disposition_of(SIGUSR1), SIG_IGN);
  std::signal(SIGUSR1, SIG_DFL);
}

TEST(SignalSetProcess, HandlerInstalledMeanwhile_Stays) {
  const handler theirs = [](int) {};
  {
    const signal_set signals(SIGUSR1);
    std::signal(SIGUSR1, theirs);
  }
  EXPECT_EQ(disposition_of(SIGUSR1), theirs);
  std::signal(SIGUSR1, SIG_DFL);
}

TEST(SignalSetProcess, Stop_GivesTheSignalsBackEarly) {
  signal_set signals(SIGUSR1);

  signals.stop();
  signals.stop();

  EXPECT_EQ(disposition_of(SIGUSR1), SIG_DFL);
}

TEST(SignalSetProcess, NumbersThatAreNoSignals_AreRefused) {
  for (const int number : {0, -1, 65, 1000}) {
    EXPECT_THROW(signal_set{number}, std::invalid_argument) << number;
  }
}

TEST(SignalSetProcess, SignalThatCannotBeCaught_IsRefusedAndNothingIsCaught) {
  std::string message;
  try {
    const signal_set signals(SIGUSR1, SIGKILL);
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }

  EXPECT_THAT(message, HasSubstr(std::to_string(SIGKILL)));
  EXPECT_EQ(disposition_of(SIGUSR1), SIG_DFL);
}

TEST(SignalSetProcess, SignalNamedTwice_IsCaughtOnce) {
  {
    const signal_set signals(SIGUSR1, SIGUSR1);
  }
  EXPECT_EQ(disposition_of(SIGUSR1), SIG_DFL);
}

TEST(SignalSetProcess, Descriptors_AreNotInheritedAndDoNotBlock) {
  std::vector<bool> open_before(256);
  for (int fd = 0; fd < 256; ++fd) {
    open_before[static_cast<std::size_t>(fd)] = ::fcntl(fd, F_GETFD) >= 0;
  }
  const signal_set signals(SIGUSR1);

  int made = 0;
  for (int fd = 0; fd < 256; ++fd) {
    if (open_before[static_cast<std::size_t>(fd)] || ::fcntl(fd, F_GETFD) < 0) continue;
    ++made;
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  }
  EXPECT_EQ(made, 2);
}

int no_descriptors(detail::sys::call which, int) noexcept {
  return which == detail::sys::call::socket ? EMFILE : 0;
}

TEST(SignalSetProcess, NoDescriptors_IsASystemError) {
  detail::sys::interposer = no_descriptors;

  EXPECT_THROW(signal_set{SIGUSR1}, std::system_error);

  detail::sys::interposer = nullptr;
  EXPECT_EQ(disposition_of(SIGUSR1), SIG_DFL);
}

TEST(SignalSetProcess, TooManySets_AreRefused) {
  std::vector<std::unique_ptr<signal_set>> sets;

  EXPECT_THROW(for (int i = 0; i < 1000; ++i) sets.push_back(std::make_unique<signal_set>(SIGUSR1)),
               std::runtime_error);

  EXPECT_EQ(sets.size(), 128U);
}

TEST(SignalSetProcess, SignalOfAForkedChild_IsNotOurs) {
  signal_set signals(SIGUSR1);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::raise(SIGUSR1);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);

  weft::run(
      [&signals]() -> task<> {
        const auto got = co_await catch_all(wait_for(signals.wait(), 1ms));
        EXPECT_TRUE(got.threw<timeout_error>());
      },
      {.workers = 1});
}

TEST(SignalSetProcess, FullPipe_DropsWithoutBlocking) {
  signal_set signals(SIGUSR1);

  for (int i = 0; i < 70'000; ++i) ::raise(SIGUSR1);

  weft::run(
      [&signals]() -> task<> {
        for (int i = 0; i < 65'536; ++i) {
          const int got = co_await signals.wait();
          EXPECT_EQ(got, SIGUSR1);
        }
        const auto none = co_await catch_all(wait_for(signals.wait(), 1ms));
        EXPECT_TRUE(none.threw<timeout_error>());
      },
      {.workers = 1});
}

TEST(SignalSetProcess, Errno_IsKept) {
  const signal_set signals(SIGUSR1);
  for (int i = 0; i < 70'000; ++i) ::raise(SIGUSR1);  // the pipe is full: write() fails

  errno = ENOENT;
  ::raise(SIGUSR1);

  EXPECT_EQ(errno, ENOENT);
}

TEST(SignalSetProcess, SetsThatComeAndGoUnderFire_LoseNothingOfTheirDescriptors) {
  const signal_set keeps_the_handler(SIGUSR1);
  std::atomic<bool> ended = false;
  std::vector<std::jthread> shooters;
  for (int i = 0; i < 2; ++i) {
    shooters.emplace_back([&ended] {
      while (!ended) ::pthread_kill(::pthread_self(), SIGUSR1);
    });
  }

  // If a handler wrote into a pipe that was closed meanwhile, the byte would land in this one.
  for (int i = 0; i < 2000; ++i) {
    std::optional<signal_set> brief(SIGUSR1);
    brief.reset();
    int bystander[2];
    ASSERT_EQ(::pipe2(bystander, O_NONBLOCK | O_CLOEXEC), 0);
    char byte = 0;
    EXPECT_EQ(::read(bystander[0], &byte, 1), -1);
    ::close(bystander[0]);
    ::close(bystander[1]);
  }
  ended = true;
}

// ---- on_signal ----------------------------------------------------------------------------------

TEST_P(OnSignal, Function_IsCalledOnAWorkerForEachDelivery) {
  run([]() -> task<> {
    std::atomic<int> calls = 0;
    const auto registration = on_signal(SIGUSR1, [&calls] {
      EXPECT_NO_THROW((void)runtime::current());
      ++calls;
    });

    for (int i = 1; i <= 20; ++i) {
      deliver(SIGUSR1);
      while (calls < i) co_await yield();
    }

    EXPECT_EQ(calls, 20);
  });
}

TEST_P(OnSignal, DroppedRegistration_CallsNothingMore) {
  run([]() -> task<> {
    std::atomic<int> calls = 0;
    signal_set guard(SIGUSR1);  // the signal must not kill the test
    {
      const auto registration = on_signal(SIGUSR1, [&calls] { ++calls; });
    }

    deliver(SIGUSR1);
    const int got = co_await guard.wait();
    for (int i = 0; i < 10; ++i) co_await yield();

    EXPECT_EQ(got, SIGUSR1);
    EXPECT_EQ(calls, 0);
  });
}

TEST_P(OnSignal, DroppedRegistration_RestoresTheDispositionAtOnce) {
  run([]() -> task<> {
    std::optional<signal_registration> registration = on_signal(SIGUSR1, [] {});
    co_await yield();

    registration.reset();

    EXPECT_EQ(disposition_of(SIGUSR1), SIG_DFL);
  });
}

TEST_P(OnSignal, RegistrationThatOutlivesTheRuntime_CatchesNothingMore) {
  signal_registration registration;
  run([&registration]() -> task<> {
    registration = on_signal(SIGUSR1, [] {});
    co_await yield();
  });

  EXPECT_EQ(disposition_of(SIGUSR1), SIG_DFL);
}

TEST_P(OnSignal, AssignedRegistration_EndsTheOneBefore) {
  run([]() -> task<> {
    std::atomic<int> first = 0;
    std::atomic<int> second = 0;
    auto registration = on_signal(SIGUSR1, [&first] { ++first; });

    registration = on_signal(SIGUSR1, [&second] { ++second; });
    deliver(SIGUSR1);
    while (second == 0) co_await yield();

    EXPECT_EQ(first, 0);
    EXPECT_EQ(second, 1);
  });
}

TEST_P(OnSignal, WhatItThrows_IsReportedAndTheNextIsServed) {
  run([]() -> task<> {
    std::string reported;
    runtime::current().set_exception_handler(
        [&reported](const exception_context& context) { reported = context.message; });
    std::atomic<int> calls = 0;
    {
      const auto registration = on_signal(SIGUSR1, [&calls] {
        if (++calls == 1) throw std::runtime_error("failed");
      });
      deliver(SIGUSR1);
      while (calls < 1) co_await yield();
      deliver(SIGUSR1);
      while (calls < 2) co_await yield();
    }

    EXPECT_EQ(reported, "exception in a function for signals");
    runtime::current().set_exception_handler(nullptr);
  });
}

TEST(OnSignalOutside, OutsideOfARuntime_IsALogicErrorAndCatchesNothing) {
  EXPECT_THROW((void)on_signal(SIGUSR1, [] {}), std::logic_error);
  EXPECT_EQ(disposition_of(SIGUSR1), SIG_DFL);
}

template <class F>
concept accepted_by_on_signal = requires(F f) { on_signal(SIGUSR1, f); };
static_assert(accepted_by_on_signal<void (*)()>);
static_assert(!accepted_by_on_signal<task<> (*)()>, "a coroutine would never run");

}  // namespace
}  // namespace weft::testing
