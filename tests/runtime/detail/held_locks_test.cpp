#include "runtimes.h"
#include <weft/runtime/detail/held_locks.h>
#include <weft/runtime/detail/task_state.h>

#include <gtest/gtest.h>

namespace weft::detail {
namespace {

using namespace weft::testing;

/// Two things to lock; only their addresses count.
struct locks {
  int first = 0;
  int second = 0;
};

/// Runs body() in a task of an observed runtime.
template <class F>
void run_observed(F body) {
  runtime rt({.workers = 1, .inspectable = true});
  rt.run([&]() -> task<> {
    body();
    co_return;
  });
}

TEST(HeldLocks, NotedLock_HasItsHolderUntilItIsForgotten) {
  run_observed([] {
    const locks some;

    EXPECT_TRUE(held_locks::note(&some.first));
    EXPECT_EQ(held_locks::holder_of(&some.first), here.task);
    EXPECT_EQ(held_locks::holder_of(&some.second), nullptr);
    held_locks::forget(&some.first);
    EXPECT_EQ(held_locks::holder_of(&some.first), nullptr);
  });
}

TEST(HeldLocks, LocksOfATask_AreForgottenTogether) {
  run_observed([] {
    const locks some;
    held_locks::note(&some.first);
    held_locks::note(&some.second);

    EXPECT_EQ(held_locks::forget_all_of(*here.task), 2u);
    EXPECT_EQ(held_locks::forget_all_of(*here.task), 0u);
    EXPECT_EQ(held_locks::holder_of(&some.first), nullptr);
    EXPECT_EQ(held_locks::holder_of(&some.second), nullptr);
  });
}

TEST(HeldLocks, LockThatIsNotedAgain_CountsOnce) {
  run_observed([] {
    const locks some;
    held_locks::note(&some.first);
    held_locks::note(&some.first);

    EXPECT_EQ(held_locks::forget_all_of(*here.task), 1u);
  });
}

TEST(HeldLocks, LockThatNobodyHasNoted_IsForgottenInSilence) {
  const locks some;

  held_locks::forget(&some.first);

  EXPECT_EQ(held_locks::holder_of(&some.first), nullptr);
}

TEST(HeldLocks, OutsideOfObservedRuntimes_NothingIsNoted) {
  const locks some;
  EXPECT_FALSE(held_locks::note(&some.first));

  weft::run(
      [&]() -> task<> {
        EXPECT_FALSE(held_locks::watched());
        EXPECT_FALSE(held_locks::note(&some.first));
        co_return;
      },
      {.workers = 1});
}

TEST(HeldLocks, ObservedRuntime_IsWatchedWhileItLives) {
  {
    const runtime rt({.workers = 1, .inspectable = true});
    EXPECT_TRUE(held_locks::watched());
  }
  EXPECT_FALSE(held_locks::watched());
}

}  // namespace
}  // namespace weft::detail
