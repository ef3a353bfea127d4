// The checker proves itself: small programs whose outcomes the C++20 memory model gives exactly. Each
// must show all outcomes that are allowed, and no other.
//
// Not shown although C++20 allows it: load buffering, since threads execute in program order. Each
// execution that the checker leaves out this way needs a load that returns a value which is stored
// later in the execution; no compiler and CPU that weft runs on lets a decision depend on one.

#include "checker/explore.h"
#include "checker/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

namespace weft::model {
namespace {

using detail::atomic;
using ::testing::UnorderedElementsAre;
using enum std::memory_order;

using outcome = std::string;

outcome values(std::initializer_list<int> of) {
  outcome text;
  for (const int each : of) text += std::to_string(each);
  return text;
}

// The outcomes of all executions. The body returns the values that its execution has seen.
std::set<outcome> outcomes_of(const std::function<outcome()>& body,
                              unsigned spurious_failures = 0) {
  std::set<outcome> seen;
  options all;
  all.preemptions = 1000;
  all.spurious_failures = spurious_failures;
  const result found = explore(all, [&] {
    const outcome one = body();
    const execution::host_memory outside;
    seen.insert(one.c_str());
  });
  EXPECT_TRUE(found.passed()) << found.report();
  EXPECT_TRUE(found.complete);
  return seen;
}

// ---- Load buffering: read x, y = 1 | read y, x = that. Not shown, but a model may forbid it.

result load_buffering(std::memory_order write, std::memory_order read) {
  options all;
  all.preemptions = 1000;
  all.no_early_loads = true;
  return explore(all, [&] {
    atomic<int> x{0}, y{0};
    run_threads(
        [&] {
          (void)x.load(relaxed);
          y.store(1, write);
        },
        [&] {
          if (y.load(read) == 1) x.store(1, relaxed);
        });
  });
}

TEST(Litmus, LoadBuffering_IsFoundWhereItIsForbidden) {
  EXPECT_TRUE(load_buffering(release, acquire).passed());
  EXPECT_THAT(load_buffering(relaxed, acquire).failure, testing::HasSubstr("comes after it"));
  EXPECT_THAT(load_buffering(release, relaxed).failure, testing::HasSubstr("comes after it"));
}

// ---- Store buffering: x = 1, read y | y = 1, read x

outcome store_buffering(std::memory_order write, std::memory_order read) {
  atomic<int> x{0}, y{0};
  int a = -1, b = -1;
  run_threads(
      [&] {
        x.store(1, write);
        a = y.load(read);
      },
      [&] {
        y.store(1, write);
        b = x.load(read);
      });
  return values({a, b});
}

TEST(StoreBuffering, Relaxed_ShowsAllOutcomes) {
  EXPECT_THAT(outcomes_of([] { return store_buffering(relaxed, relaxed); }),
              UnorderedElementsAre("00", "01", "10", "11"));
}

TEST(StoreBuffering, ReleaseAcquire_ShowsAllOutcomes) {
  EXPECT_THAT(outcomes_of([] { return store_buffering(release, acquire); }),
              UnorderedElementsAre("00", "01", "10", "11"));
}

TEST(StoreBuffering, SeqCst_OneSeesTheOther) {
  EXPECT_THAT(outcomes_of([] { return store_buffering(seq_cst, seq_cst); }),
              UnorderedElementsAre("01", "10", "11"));
}

TEST(StoreBuffering, SeqCstStoresOnly_ShowAllOutcomes) {
  EXPECT_THAT(outcomes_of([] { return store_buffering(seq_cst, acquire); }),
              UnorderedElementsAre("00", "01", "10", "11"));
}

TEST(StoreBuffering, ReadModifyWritesOfOneObject_OrderTheLoads) {
  const auto body = [] {
    atomic<int> x{0}, y{0}, between{0};
    int a = -1, b = -1;
    run_threads(
        [&] {
          x.store(1, relaxed);
          between.fetch_add(1, acq_rel);
          a = y.load(relaxed);
        },
        [&] {
          y.store(1, relaxed);
          between.fetch_add(1, acq_rel);
          b = x.load(relaxed);
        });
    return values({a, b});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("01", "10", "11"));
}

TEST(StoreBuffering, RelaxedWithoutStaleReads_ShowsInterleavingsOnly) {
  std::set<outcome> seen;
  options interleavings;
  interleavings.stale_reads = 0;

  const result found = explore(interleavings, [&] {
    const outcome one = store_buffering(relaxed, relaxed);
    const execution::host_memory outside;
    seen.insert(one.c_str());
  });

  EXPECT_TRUE(found.passed() && found.complete) << found.report();
  EXPECT_THAT(seen, UnorderedElementsAre("01", "10", "11"));
}

// ---- Message passing: data = 1, flag = 1 | read flag, read data

outcome message_passing(std::memory_order write, std::memory_order read) {
  atomic<int> data{0}, flag{0};
  int seen_flag = -1, seen_data = -1;
  run_threads(
      [&] {
        data.store(1, relaxed);
        flag.store(1, write);
      },
      [&] {
        seen_flag = flag.load(read);
        seen_data = data.load(relaxed);
      });
  return values({seen_flag, seen_data});
}

TEST(MessagePassing, Relaxed_MayLoseTheData) {
  EXPECT_THAT(outcomes_of([] { return message_passing(relaxed, relaxed); }),
              UnorderedElementsAre("00", "01", "10", "11"));
}

TEST(MessagePassing, ReleaseWithoutAcquire_MayLoseTheData) {
  EXPECT_THAT(outcomes_of([] { return message_passing(release, relaxed); }),
              UnorderedElementsAre("00", "01", "10", "11"));
}

TEST(MessagePassing, AcquireWithoutRelease_MayLoseTheData) {
  EXPECT_THAT(outcomes_of([] { return message_passing(relaxed, acquire); }),
              UnorderedElementsAre("00", "01", "10", "11"));
}

TEST(MessagePassing, ReleaseAcquire_KeepsTheData) {
  EXPECT_THAT(outcomes_of([] { return message_passing(release, acquire); }),
              UnorderedElementsAre("00", "01", "11"));
}

TEST(MessagePassing, ReleaseAcquireOfOtherFlags_MayLoseTheData) {
  const auto body = [] {
    atomic<int> data{0}, flag{0}, other{0};
    int seen_flag = -1, seen_data = -1;
    run_threads(
        [&] {
          data.store(1, relaxed);
          other.store(1, release);
          flag.store(1, relaxed);
        },
        [&] {
          seen_flag = flag.load(acquire);
          seen_data = data.load(relaxed);
        });
    return values({seen_flag, seen_data});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("00", "01", "10", "11"));
}

// ---- Coherence: all threads agree on the order of the stores to one object

TEST(Coherence, TwoReads_NeverGoBack) {
  const auto body = [] {
    atomic<int> x{0};
    int a = -1, b = -1;
    run_threads([&] { x.store(1, relaxed); },
                [&] {
                  a = x.load(relaxed);
                  b = x.load(relaxed);
                });
    return values({a, b});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("00", "01", "11"));
}

TEST(Coherence, ReadAfterOwnWrite_SeesItOrALaterOne) {
  const auto body = [] {
    atomic<int> x{0};
    int a = -1;
    run_threads([&] { x.store(1, relaxed); },
                [&] {
                  x.store(2, relaxed);
                  a = x.load(relaxed);
                });
    return values({a, x.load(relaxed)});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("11", "21", "22"));
}

TEST(Coherence, WriteAfterRead_IsLaterThanWhatWasRead) {
  const auto body = [] {
    atomic<int> x{0};
    int a = -1;
    run_threads([&] { x.store(1, relaxed); },
                [&] {
                  a = x.load(relaxed);
                  x.store(2, relaxed);
                });
    return values({a, x.load(relaxed)});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("01", "02", "12"));
}

TEST(Coherence, TwoReaders_AgreeOnTheOrder) {
  const auto body = [] {
    atomic<int> x{0};
    int a = -1, b = -1, c = -1, d = -1;
    run_threads([&] { x.store(1, relaxed); }, [&] { x.store(2, relaxed); },
                [&] {
                  a = x.load(relaxed);
                  b = x.load(relaxed);
                },
                [&] {
                  c = x.load(relaxed);
                  d = x.load(relaxed);
                });
    return values({a, b, c, d});
  };

  const std::set<outcome> seen = outcomes_of(body);

  EXPECT_FALSE(seen.contains("1221"));
  EXPECT_FALSE(seen.contains("2112"));
  EXPECT_TRUE(seen.contains("1212"));
  EXPECT_TRUE(seen.contains("2121"));
}

TEST(Coherence, WhatHappenedBefore_HidesOlderValues) {
  const auto body = [] {
    atomic<int> x{0}, flag{0};
    int a = -1, b = -1;
    run_threads(
        [&] {
          x.store(1, relaxed);
          x.store(2, relaxed);
          flag.store(1, release);
        },
        [&] {
          a = flag.load(acquire);
          b = x.load(relaxed);
        });
    return values({a, b});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("00", "01", "02", "12"));
}

// ---- Independent reads of independent writes

outcome independent_reads(std::memory_order write, std::memory_order read) {
  atomic<int> x{0}, y{0};
  int a = -1, b = -1, c = -1, d = -1;
  run_threads([&] { x.store(1, write); }, [&] { y.store(1, write); },
              [&] {
                a = x.load(read);
                b = y.load(read);
              },
              [&] {
                c = y.load(read);
                d = x.load(read);
              });
  return values({a, b, c, d});
}

TEST(IndependentReads, Acquire_ReadersMayDisagree) {
  EXPECT_EQ(outcomes_of([] { return independent_reads(release, acquire); }).size(), 16u);
}

TEST(IndependentReads, SeqCst_ReadersAgree) {
  const std::set<outcome> seen = outcomes_of([] { return independent_reads(seq_cst, seq_cst); });

  EXPECT_FALSE(seen.contains("1010"));
  EXPECT_EQ(seen.size(), 15u);
}

TEST(IndependentReads, SeqCstLoadsOfRelaxedStores_Agree) {
  const std::set<outcome> seen = outcomes_of([] { return independent_reads(relaxed, seq_cst); });

  EXPECT_FALSE(seen.contains("1010"));
  EXPECT_EQ(seen.size(), 15u);
}

// ---- Causality over three threads

TEST(Causality, ReleaseAcquireChain_IsTransitive) {
  const auto body = [] {
    atomic<int> data{0}, first{0}, second{0};
    int a = -1, b = -1, c = -1;
    run_threads(
        [&] {
          data.store(1, relaxed);
          first.store(1, release);
        },
        [&] {
          a = first.load(acquire);
          second.store(1, release);
        },
        [&] {
          b = second.load(acquire);
          c = data.load(relaxed);
        });
    return values({a, b, c});
  };

  const std::set<outcome> seen = outcomes_of(body);

  EXPECT_FALSE(seen.contains("110"));
  EXPECT_EQ(seen.size(), 7u);
}

TEST(Causality, RelaxedLinkInTheChain_BreaksIt) {
  const auto body = [] {
    atomic<int> data{0}, first{0}, second{0};
    int a = -1, b = -1, c = -1;
    run_threads(
        [&] {
          data.store(1, relaxed);
          first.store(1, release);
        },
        [&] {
          a = first.load(relaxed);
          second.store(1, release);
        },
        [&] {
          b = second.load(acquire);
          c = data.load(relaxed);
        });
    return values({a, b, c});
  };

  EXPECT_EQ(outcomes_of(body).size(), 8u);
}

// ---- Two stores each: x = 1, y = 2 | y = 1, x = 2

outcome two_plus_two_writes(std::memory_order write) {
  atomic<int> x{0}, y{0};
  run_threads(
      [&] {
        x.store(1, write);
        y.store(2, write);
      },
      [&] {
        y.store(1, write);
        x.store(2, write);
      });
  return values({x.load(relaxed), y.load(relaxed)});
}

TEST(TwoPlusTwoWrites, Relaxed_FirstStoresMayBothEndLast) {
  EXPECT_THAT(outcomes_of([] { return two_plus_two_writes(relaxed); }),
              UnorderedElementsAre("11", "12", "21", "22"));
}

TEST(TwoPlusTwoWrites, Release_FirstStoresMayBothEndLast) {
  EXPECT_THAT(outcomes_of([] { return two_plus_two_writes(release); }),
              UnorderedElementsAre("11", "12", "21", "22"));
}

TEST(TwoPlusTwoWrites, SeqCst_OneOfTheSecondStoresIsLast) {
  EXPECT_THAT(outcomes_of([] { return two_plus_two_writes(seq_cst); }),
              UnorderedElementsAre("12", "21", "22"));
}

// Two outcomes with a store and a load: "S" and "R" of the literature.

outcome store_after_message(std::memory_order write, std::memory_order read) {
  atomic<int> x{0}, y{0};
  int a = -1;
  run_threads(
      [&] {
        x.store(2, relaxed);
        y.store(1, write);
      },
      [&] {
        a = y.load(read);
        x.store(1, relaxed);
      });
  return values({a, x.load(relaxed)});
}

TEST(StoreAfterMessage, Relaxed_MayEndBeforeTheOlderStore) {
  EXPECT_THAT(outcomes_of([] { return store_after_message(relaxed, relaxed); }),
              UnorderedElementsAre("01", "02", "11", "12"));
}

TEST(StoreAfterMessage, ReleaseAcquire_EndsBehindTheOlderStore) {
  EXPECT_THAT(outcomes_of([] { return store_after_message(release, acquire); }),
              UnorderedElementsAre("01", "02", "11"));
}

outcome store_against_store_and_load(std::memory_order order) {
  atomic<int> x{0}, y{0};
  int a = -1;
  run_threads(
      [&] {
        x.store(1, order);
        y.store(1, order);
      },
      [&] {
        y.store(2, order);
        a = x.load(order == seq_cst ? seq_cst : acquire);
      });
  return values({a, y.load(relaxed)});
}

TEST(StoreAgainstStoreAndLoad, Release_MayMissTheFirstStore) {
  EXPECT_THAT(outcomes_of([] { return store_against_store_and_load(release); }),
              UnorderedElementsAre("01", "02", "11", "12"));
}

TEST(StoreAgainstStoreAndLoad, SeqCst_LastStoreKnowsTheFirst) {
  EXPECT_THAT(outcomes_of([] { return store_against_store_and_load(seq_cst); }),
              UnorderedElementsAre("01", "11", "12"));
}

// ---- Release sequences

TEST(ReleaseSequence, ReadModifyWriteByAnother_ContinuesIt) {
  const auto body = [] {
    atomic<int> data{0}, flag{0};
    int a = -1, b = -1;
    run_threads(
        [&] {
          data.store(1, relaxed);
          flag.store(1, release);
        },
        [&] { flag.fetch_add(1, relaxed); },
        [&] {
          a = flag.load(acquire);
          b = a == 2 ? data.load(relaxed) : 9;
        });
    return values({a, b});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("09", "19", "21"));
}

TEST(ReleaseSequence, PlainStoreByTheSameThread_EndsIt) {
  const auto body = [] {
    atomic<int> data{0}, flag{0};
    int a = -1, b = -1;
    run_threads(
        [&] {
          data.store(1, relaxed);
          flag.store(1, release);
          flag.store(2, relaxed);
        },
        [&] {
          a = flag.load(acquire);
          b = a == 2 ? data.load(relaxed) : 9;
        });
    return values({a, b});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("09", "19", "20", "21"));
}

TEST(ReleaseSequence, PlainStoreByAnother_EndsIt) {
  const auto body = [] {
    atomic<int> data{0}, flag{0};
    int a = -1, b = -1;
    run_threads(
        [&] {
          data.store(1, relaxed);
          flag.store(1, release);
        },
        [&] { flag.store(2, relaxed); },
        [&] {
          a = flag.load(acquire);
          b = data.load(relaxed);
        });
    return values({a, b});
  };

  const std::set<outcome> seen = outcomes_of(body);

  EXPECT_FALSE(seen.contains("10"));
  EXPECT_TRUE(seen.contains("20"));
}

TEST(ReleaseSequence, AcquireReadModifyWrite_LearnsWhatItContinues) {
  const auto body = [] {
    atomic<int> data{0}, flag{0};
    int a = -1, b = -1;
    run_threads(
        [&] {
          data.store(1, relaxed);
          flag.fetch_add(1, release);
        },
        [&] {
          a = flag.fetch_add(2, acquire);
          b = data.load(relaxed);
        });
    return values({a, b});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("00", "01", "11"));
}

// ---- Read-modify-writes

TEST(ReadModifyWrite, TwoAdditions_AreBothCounted) {
  const auto body = [] {
    atomic<int> x{0};
    int a = -1, b = -1;
    run_threads([&] { a = x.fetch_add(1, relaxed); }, [&] { b = x.fetch_add(1, relaxed); });
    return values({a, b, x.load(relaxed)});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("012", "102"));
}

TEST(ReadModifyWrite, StoreOfAnother_NeverComesBetween) {
  const auto body = [] {
    atomic<int> x{0};
    int a = -1;
    run_threads([&] { a = x.fetch_add(1, relaxed); }, [&] { x.store(5, relaxed); });
    return values({a, x.load(relaxed)});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("05", "56"));
}

TEST(CompareExchange, Strong_OneOfTwoWins) {
  const auto body = [] {
    atomic<int> x{0};
    bool a = false, b = false;
    run_threads(
        [&] {
          int expected = 0;
          a = x.compare_exchange_strong(expected, 1, relaxed, relaxed);
        },
        [&] {
          int expected = 0;
          b = x.compare_exchange_strong(expected, 2, relaxed, relaxed);
        });
    return values({a, b, x.load(relaxed)});
  };

  EXPECT_THAT(outcomes_of(body, 1), UnorderedElementsAre("101", "012"));
}

TEST(CompareExchange, Failure_MayReadAnOldValue) {
  const auto body = [] {
    atomic<int> x{0};
    int expected = 2;
    bool exchanged = false;
    run_threads(
        [&] {
          x.store(1, relaxed);
          x.store(2, relaxed);
        },
        [&] { exchanged = x.compare_exchange_strong(expected, 3, relaxed, relaxed); });
    return values({exchanged, expected, x.load(relaxed)});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("002", "012", "123"));
}

TEST(CompareExchange, Weak_MayFailOnTheExpectedValue) {
  const auto body = [] {
    atomic<int> x{0}, other{0};
    int expected = 0;
    bool exchanged = false;
    run_threads([&] { other.store(1, relaxed); },
                [&] { exchanged = x.compare_exchange_weak(expected, 1, relaxed, relaxed); });
    return values({exchanged, expected});
  };

  EXPECT_THAT(outcomes_of(body, 1), UnorderedElementsAre("00", "10"));
  EXPECT_THAT(outcomes_of(body, 0), UnorderedElementsAre("10"));
}

TEST(CompareExchange, FailureOrder_DecidesWhatAFailureLearns) {
  const auto body = [](std::memory_order failure) {
    atomic<int> data{0}, flag{0};
    int expected = 5, b = -1;
    run_threads(
        [&] {
          data.store(1, relaxed);
          flag.store(1, release);
        },
        [&] {
          flag.compare_exchange_strong(expected, 6, acq_rel, failure);
          b = data.load(relaxed);
        });
    return values({expected, b});
  };

  EXPECT_THAT(outcomes_of([&] { return body(acquire); }), UnorderedElementsAre("00", "01", "11"));
  EXPECT_THAT(outcomes_of([&] { return body(relaxed); }),
              UnorderedElementsAre("00", "01", "10", "11"));
}

// ---- What the checker leaves out

TEST(LoadBuffering, Relaxed_IsNotShown) {
  const auto body = [] {
    atomic<int> x{0}, y{0};
    int a = -1, b = -1;
    run_threads(
        [&] {
          a = x.load(relaxed);
          y.store(1, relaxed);
        },
        [&] {
          b = y.load(relaxed);
          x.store(1, relaxed);
        });
    return values({a, b});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("00", "01", "10"));
}

// ---- Threads

TEST(Threads, StartAndJoin_AreOrdered) {
  const auto body = [] {
    int plain = 1;
    run_threads([&] { ++plain; });
    return values({plain});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("2"));
}

TEST(Threads, LoopThatWaits_EndsWhenTheValueChanges) {
  const auto body = [] {
    atomic<int> flag{0};
    int rounds = 0;
    run_threads([&] { flag.store(1, relaxed); },
                [&] {
                  while (flag.load(relaxed) == 0) {
                    ++rounds;
                    detail::cpu_relax();
                  }
                });
    return values({rounds});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("0", "1"));
}

// A bound on the rounds, then a sleep, and somebody who waits for just that: no deadlock.
TEST(Threads, LoopThatGivesUp_GoesOn) {
  const auto body = [] {
    atomic<int> flag{0};
    detail::os_mutex mutex;
    detail::os_condition asleep, awake;
    bool sleeps = false;
    run_threads(
        [&] {
          for (int rounds = 0; rounds < 3 && flag.load(relaxed) == 0; ++rounds) detail::cpu_relax();
          std::unique_lock lock(mutex);
          sleeps = true;
          asleep.notify_one();
          awake.wait(lock, [&] { return flag.load(relaxed) == 1; });
        },
        [&] {
          std::unique_lock lock(mutex);
          asleep.wait(lock, [&] { return sleeps; });
          flag.store(1, relaxed);
          awake.notify_one();
        });
    return values({flag.load(relaxed)});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("1"));
}

// What two such loops find when they have given up is what they found before.
TEST(Threads, TwoLoopsThatGiveUp_BothGoOn) {
  const auto body = [] {
    atomic<int> a{0}, b{0};
    const auto wait_for = [](atomic<int>& other, atomic<int>& own) {
      for (int rounds = 0; rounds < 3 && other.load(relaxed) == 0; ++rounds) detail::cpu_relax();
      own.store(1, relaxed);
    };
    run_threads([&] { wait_for(a, b); }, [&] { wait_for(b, a); });
    return values({a.load(relaxed), b.load(relaxed)});
  };

  EXPECT_THAT(outcomes_of(body), UnorderedElementsAre("11"));
}

}  // namespace
}  // namespace weft::model
