#include <weft/net/detail/ready_or_task.h>
#include <weft/runtime/as_result.h>
#include <weft/runtime/error.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/test_runtime.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace weft::detail {
namespace {

/// What happened to a request, and what it is to do.
struct story {
  bool ready = true;
  int tries = 0;
  int waits = 0;
  event arrived;
};

/// Its answer is there, or comes with an event.
class number_request {
 public:
  using value_type = std::unique_ptr<int>;
  explicit number_request(story& told) noexcept : story_(&told) {}
  std::optional<value_type> try_now() {
    ++story_->tries;
    if (!story_->ready) return std::nullopt;
    return std::make_unique<int>(1);
  }
  task<value_type> wait() {
    ++story_->waits;
    return come(*story_);
  }

 private:
  static task<value_type> come(story& told) {
    co_await told.arrived.wait();
    co_return std::make_unique<int>(2);
  }
  story* story_;
};

class void_request {
 public:
  using value_type = void;
  explicit void_request(story& told) noexcept : story_(&told) {}
  std::optional<std::monostate> try_now() {
    ++story_->tries;
    return story_->ready ? std::optional(std::monostate()) : std::nullopt;
  }
  task<> wait() {
    ++story_->waits;
    return come(*story_);
  }

 private:
  static task<> come(story& told) { co_await told.arrived.wait(); }
  story* story_;
};

enum class place : bool { trying, waiting };
class failing_request {
 public:
  using value_type = int;
  explicit failing_request(place where) noexcept : where_(where) {}
  std::optional<int> try_now() {
    if (where_ == place::trying) throw std::runtime_error("while trying");
    return std::nullopt;
  }
  static task<int> wait() {
    co_await yield();
    throw std::runtime_error("while waiting");
  }

 private:
  place where_;
};

task<int> number_of(story& told) {
  const std::unique_ptr<int> number = co_await ready_or_task<number_request>(number_request(told));
  co_return *number;
}

TEST(ReadyOrTask, AnswerThatIsThere_BeginsNoCoroutine) {
  test_runtime rt;
  story told;

  EXPECT_EQ(rt.run(number_of(told)), 1);

  EXPECT_EQ(told.tries, 1);
  EXPECT_EQ(told.waits, 0);
}

TEST(ReadyOrTask, MissingAnswer_IsWaitedFor) {
  test_runtime rt;
  story told;
  told.ready = false;

  const int number = rt.run([&told]() -> task<int> {
    auto waiting = spawn(number_of(told));
    co_await yield();
    EXPECT_FALSE(waiting.done());
    EXPECT_TRUE(told.arrived.has_waiters());
    told.arrived.set();
    co_return co_await waiting;
  });

  EXPECT_EQ(number, 2);
  EXPECT_EQ(told.tries, 1);
  EXPECT_EQ(told.waits, 1);
}

TEST(ReadyOrTask, AnswerOfNothing_IsThereOrWaitedFor) {
  test_runtime rt;
  story told;

  rt.run([&told]() -> task<> {
    co_await ready_or_task<void_request>(void_request(told));
    EXPECT_EQ(told.waits, 0);
    told.ready = false;
    told.arrived.set();
    co_await ready_or_task<void_request>(void_request(told));
    EXPECT_EQ(told.waits, 1);
  });
}

TEST(ReadyOrTask, Creation_DoesNothing) {
  story told;
  {
    const ready_or_task<number_request> dropped{number_request(told)};
    (void)dropped;
  }
  EXPECT_EQ(told.tries, 0);
}

TEST(ReadyOrTask, MovedBeforeItIsAwaited_Works) {
  test_runtime rt;
  story told;

  rt.run([&told]() -> task<> {
    ready_or_task<number_request> first{number_request(told)};
    ready_or_task<number_request> second(std::move(first));
    const std::unique_ptr<int> number = co_await second;
    EXPECT_EQ(*number, 1);
  });
}

TEST(ReadyOrTask, FailureWhileTrying_IsThrownByTheAwait) {
  test_runtime rt;

  rt.run([]() -> task<> {
    EXPECT_THROW((void)co_await ready_or_task<failing_request>(failing_request(place::trying)),
                 std::runtime_error);
    const auto kept =
        co_await as_result(ready_or_task<failing_request>(failing_request(place::trying)));
    EXPECT_FALSE(kept.has_value());
  });
}

TEST(ReadyOrTask, FailureWhileWaiting_IsThrownByTheAwait) {
  test_runtime rt;

  rt.run([]() -> task<> {
    try {
      (void)co_await ready_or_task<failing_request>(failing_request(place::waiting));
      ADD_FAILURE();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "while waiting");
    }
  });
}

TEST(ReadyOrTask, AwaitedTwice_Throws) {
  test_runtime rt;
  story told;

  rt.run([&told]() -> task<> {
    ready_or_task<void_request> once{void_request(told)};
    co_await once;
    EXPECT_THROW(co_await once, invalid_state_error);
  });
  EXPECT_EQ(told.tries, 1);
}

TEST(ReadyOrTask, CancelledWait_EndsTheCoroutine) {
  test_runtime rt;
  story told;
  told.ready = false;

  rt.run([&told]() -> task<> {
    auto waiting = spawn(number_of(told));
    co_await yield();
    waiting.cancel();
    const auto outcome = co_await as_result(std::move(waiting));
    EXPECT_TRUE(outcome.cancelled());
  });

  EXPECT_FALSE(told.arrived.has_waiters());
}

TEST(ReadyOrTask, ManyAnswersInARow_LetOthersRunAndLoseNone) {
  test_runtime rt;
  story told;
  int turns = 0;

  rt.run([&]() -> task<> {
    auto other = spawn(
        [](int& counted) -> task<> {
          for (;;) {
            ++counted;
            co_await yield();
          }
        },
        std::ref(turns));
    int sum = 0;
    for (int i = 0; i < 5000; ++i) {
      const std::unique_ptr<int> number =
          co_await ready_or_task<number_request>(number_request(told));
      sum += *number;
    }
    EXPECT_EQ(sum, 5000);
    other.cancel();
  });

  EXPECT_GT(turns, 10);
  EXPECT_EQ(told.tries, 5000);
  EXPECT_EQ(told.waits, 0);
}

}  // namespace
}  // namespace weft::detail
