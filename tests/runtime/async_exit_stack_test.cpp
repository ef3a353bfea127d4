#include "runtimes.h"
#include <weft/runtime/async_exit_stack.h>
#include <weft/runtime/async_generator.h>
#include <weft/runtime/sleep.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<async_exit_stack>);

/// A resource that writes when it is closed, and after what.
class numbered {
 public:
  numbered(int id, std::string& to) : id_(id), log_(&to) {}
  task<int> aenter() {
    co_await yield();
    if (id_ < 0) throw std::runtime_error("enter");
    co_return id_;
  }
  task<> aexit(std::exception_ptr error) {
    co_await yield();
    *log_ += std::to_string(id_) + (error == nullptr ? " " : "! ");
  }

 private:
  int id_;
  std::string* log_;
};

struct throws_at_exit {
  task<> aenter() { co_return; }
  task<> aexit(std::exception_ptr) {
    co_await yield();
    throw std::logic_error("exit");
  }
};

struct swallows {
  task<> aenter() { co_return; }
  task<bool> aexit(std::exception_ptr) { co_return true; }
};

task<> append(std::string& to, std::string text) {
  co_await yield();
  to += text;
}

class ExitStack : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, ExitStack, every_kind(), name_of);

TEST_P(ExitStack, Entries_AreClosedInReverse) {
  run([]() -> task<> {
    std::string seen;

    const int sum = co_await with_exit_stack([&](async_exit_stack& stack) -> task<int> {
      int total = 0;
      for (int id = 1; id <= 3; ++id) total += co_await stack.enter(numbered(id, seen));
      stack.push_async_callback(append, std::ref(seen), "callback ");
      EXPECT_EQ(stack.size(), 4u);
      EXPECT_EQ(seen, "");
      co_return total;
    });

    EXPECT_EQ(sum, 6);
    EXPECT_EQ(seen, "callback 3 2 1 ");
  });
}

TEST_P(ExitStack, ValuesAndResourcesOfEveryKind_AreTaken) {
  run([]() -> task<> {
    std::string seen;
    static int object = 0;
    numbered named(5, seen);
    const auto generate = [](std::string& to) -> async_generator<int&> {
      co_yield object;
      to += "generator ";
    };
    struct nothing {
      task<> aenter() { co_return; }
      task<> aexit(std::exception_ptr) { co_return; }
    };

    int& reference = co_await with_exit_stack([&](async_exit_stack& stack) -> task<int&> {
      co_await stack.enter(nothing());
      (void)co_await stack.enter(named);
      int& lent = co_await stack.enter(generate(seen));
      auto owned = std::make_unique<int>(1);
      stack.push_async_callback(
          [](std::unique_ptr<int> kept, std::string& to) -> task<int> {
            to += "callback ";
            co_return *kept;
          },
          std::move(owned), std::ref(seen));
      co_return lent;
    });
    bool plain = false;
    co_await with_exit_stack([&] { plain = true; });

    EXPECT_EQ(&reference, &object);
    EXPECT_EQ(seen, "callback generator 5 ");
    EXPECT_TRUE(plain);
  });
}

TEST_P(ExitStack, FailedBody_ClosesAllAndIsRethrown) {
  run([]() -> task<> {
    std::string seen;

    const auto ended = co_await catch_all(with_exit_stack([&](async_exit_stack& stack) -> task<> {
      (void)co_await stack.enter(numbered(1, seen));
      (void)co_await stack.enter(numbered(2, seen));
      throw std::runtime_error("body");
    }));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_EQ(seen, "2! 1! ");
  });
}

TEST_P(ExitStack, FailedEnter_ClosesThoseBeforeIt) {
  run([]() -> task<> {
    std::string seen;

    const auto ended = co_await catch_all(with_exit_stack([&](async_exit_stack& stack) -> task<> {
      (void)co_await stack.enter(numbered(1, seen));
      (void)co_await stack.enter(numbered(-1, seen));
    }));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_EQ(seen, "1! ");
  });
}

TEST_P(ExitStack, ExitThatThrows_ReplacesWhatTheOthersSee) {
  run([]() -> task<> {
    std::string seen;

    const auto after_value =
        co_await catch_all(with_exit_stack([&](async_exit_stack& stack) -> task<int> {
          (void)co_await stack.enter(numbered(1, seen));
          co_await stack.enter(throws_at_exit());
          (void)co_await stack.enter(numbered(2, seen));
          co_return 7;
        }));
    const auto callback =
        co_await catch_all(with_exit_stack([&](async_exit_stack& stack) -> task<> {
          (void)co_await stack.enter(numbered(3, seen));
          stack.push_async_callback([]() -> task<> { throw std::logic_error("callback"); });
          throw std::runtime_error("body");
        }));

    EXPECT_TRUE(after_value.threw<std::logic_error>());
    EXPECT_TRUE(callback.threw<std::logic_error>());
    EXPECT_EQ(seen, "2 1! 3! ");
  });
}

TEST_P(ExitStack, ExitThatSaysTrue_EndsTheException) {
  run([]() -> task<> {
    std::string seen;
    const auto body = [&](async_exit_stack& stack) -> task<> {
      (void)co_await stack.enter(numbered(1, seen));
      co_await stack.enter(swallows());
      (void)co_await stack.enter(numbered(2, seen));
      throw std::runtime_error("body");
    };
    const auto with_value = [&](async_exit_stack& stack) -> task<int> {
      co_await stack.enter(swallows());
      throw std::runtime_error("body");
    };

    const auto ended = co_await catch_all(with_exit_stack(body));
    const auto owes_a_value = co_await catch_all(with_exit_stack(with_value));

    EXPECT_TRUE(ended.ok());
    EXPECT_EQ(seen, "2! 1 ");
    EXPECT_TRUE(owes_a_value.threw<std::runtime_error>());
  });
}

TEST_P(ExitStack, CancelledBody_IsClosedShielded) {
  run([]() -> task<> {
    std::string seen;
    event never, leave;
    auto cancelled = spawn([&]() -> task<> {
      co_await with_exit_stack([&](async_exit_stack& stack) -> task<> {
        (void)co_await stack.enter(numbered(1, seen));
        stack.push_async_callback([&]() -> task<> {
          co_await leave.wait();
          seen += "waited ";
        });
        co_await never.wait();
      });
    });
    co_await until_waiters(1);

    cancelled.cancel();
    co_await until_waiting(cancelled);
    cancelled.cancel();
    co_await yield();
    EXPECT_EQ(seen, "");
    leave.set();
    const ending how = co_await ending_of(cancelled);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(seen, "waited 1! ");
  });
}

// contextlib.aclosing.
TEST_P(ExitStack, GeneratorClosedByACallback_IsClosedOnEveryWayOut) {
  run([]() -> task<> {
    std::string seen;
    const auto count = [](std::string& log) -> async_generator<int> {
      bool closed = false;
      try {
        for (int i = 0;; ++i) co_yield i;
      } catch (const cancelled_error&) {
        closed = true;
      }
      if (closed) co_await append(log, "closed ");
    };
    const auto first_number = [&](bool fails) -> task<int> {
      co_return co_await with_exit_stack([&](async_exit_stack& stack) -> task<int> {
        auto numbers = std::make_shared<async_generator<int>>(count(seen));
        stack.push_async_callback([numbers]() -> task<> { co_await numbers->aclose(); });
        const auto number = co_await numbers->next();
        if (fails) throw std::runtime_error("body");
        co_return *number;
      });
    };

    const int number = co_await first_number(false);
    EXPECT_EQ(number, 0);
    EXPECT_EQ(seen, "closed ");
    const auto failed = co_await catch_all(first_number(true));
    EXPECT_TRUE(failed.threw<std::runtime_error>());
    EXPECT_EQ(seen, "closed closed ");
  });
}

TEST_P(ExitStack, Callback_MayPushAnother) {
  run([]() -> task<> {
    std::string seen;

    co_await with_exit_stack([&](async_exit_stack& stack) {
      stack.push_async_callback(append, std::ref(seen), "last");
      stack.push_async_callback([&]() -> task<> {
        seen += "first ";
        stack.push_async_callback(append, std::ref(seen), "second ");
        co_return;
      });
    });

    EXPECT_EQ(seen, "first second last");
  });
}

class ExitStackShutdown : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, ExitStackShutdown, ::testing::Values(1, 4));

task<> close_for_ever(event& never, std::shared_ptr<int> token) {
  co_await with_exit_stack([&](async_exit_stack& stack) {
    for (int i = 0; i < 3; ++i)
      stack.push_async_callback([](std::shared_ptr<int>) -> task<> { co_return; }, token);
    stack.push_async_callback([](event& gate) -> task<> { co_await gate.wait(); }, std::ref(never));
  });
}

TEST_P(ExitStackShutdown, StackThatNeverCloses_IsDestroyedWithItsEntries) {
  auto token = std::make_shared<int>();
  event never;
  runtime rt({.workers = GetParam()});
  rt.set_exception_handler([](const exception_context&) {});
  rt.run([&]() -> task<> {
    for (int i = 0; i < 5; ++i) spawn(close_for_ever(never, token)).detach();
    co_await until_waiters(5);
  });

  EXPECT_FALSE(rt.shutdown(20ms));

  EXPECT_FALSE(never.has_waiters());
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace weft::testing
