#include "runtimes.h"
#include <weft/runtime/async_with.h>
#include <weft/runtime/cancel.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/timeout.h>
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

using log = std::string;

/// Writes what happens to it, with an await in each of its functions.
class logged {
 public:
  explicit logged(log& to) : log_(&to) {}
  task<logged&> aenter() {
    *log_ += "enter ";
    co_await yield();
    co_return *this;
  }
  task<> aexit(std::exception_ptr error) {
    co_await yield();
    *log_ += error == nullptr ? "exit " : "exit-after-error ";
  }
  void use() { *log_ += "use "; }

 private:
  log* log_;
};

struct without_value {
  task<> aenter() { co_return; }
  task<> aexit(std::exception_ptr) { co_return; }
};

struct swallows {
  task<int> aenter() { co_return 1; }
  task<bool> aexit(std::exception_ptr error) { co_return error != nullptr; }
};

static_assert(async_resource<logged> && async_resource<logged&>);
static_assert(!async_resource<async_generator<int>> && !async_resource<int>);
static_assert(std::is_same_v<enter_value_t<logged>, logged&>);
static_assert(std::is_same_v<enter_value_t<without_value&>, void>);
static_assert(std::is_same_v<with_value_t<task<int> (*)(logged&), logged&>, int>);
static_assert(std::is_same_v<with_value_t<task<int&> (*)(), std::string>, int&>);
static_assert(!with_body<task<> (*)(int*), std::string>);

class AsyncWith : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, AsyncWith, every_kind(), name_of);

TEST_P(AsyncWith, Body_RunsBetweenEnterAndExit) {
  run([]() -> task<> {
    log seen;

    const int value = co_await async_with(logged(seen), [](logged& resource) -> task<int> {
      co_await yield();
      resource.use();
      co_return 7;
    });

    EXPECT_EQ(seen, "enter use exit ");
    EXPECT_EQ(value, 7);
  });
}

TEST_P(AsyncWith, NamedResource_IsBorrowed) {
  run([]() -> task<> {
    log seen;
    logged named(seen);
    logged* used = nullptr;

    co_await async_with(named, [&](logged& resource) -> task<> {
      used = &resource;
      co_return;
    });

    EXPECT_EQ(used, &named);
    EXPECT_EQ(seen, "enter exit ");
  });
}

TEST_P(AsyncWith, Body_TakesTheValueAsItLikes) {
  run([]() -> task<> {
    struct gives_string {
      task<std::unique_ptr<std::string>> aenter() {
        co_return std::make_unique<std::string>("value");
      }
      task<> aexit(std::exception_ptr) { co_return; }
    };
    using pointer = std::unique_ptr<std::string>;

    const auto moved = co_await async_with(
        gives_string(), [](pointer value) -> task<std::string> { co_return *value; });
    const auto referred = co_await async_with(
        gives_string(), [](pointer& value) -> task<std::string> { co_return *value; });
    const auto read_only = co_await async_with(
        gives_string(), [](const pointer& value) -> task<std::string> { co_return *value; });
    const auto ignored =
        co_await async_with(gives_string(), []() -> task<std::string> { co_return "no value"; });
    bool plain = false;
    co_await async_with(gives_string(), [&](pointer) { plain = true; });
    bool plainest = false;
    co_await async_with(without_value(), [&] { plainest = true; });

    EXPECT_EQ(moved + " " + referred + " " + read_only, "value value value");
    EXPECT_EQ(ignored, "no value");
    EXPECT_TRUE(plain);
    EXPECT_TRUE(plainest);
  });
}

TEST_P(AsyncWith, ValuesOfEveryKind_ComeThrough) {
  run([]() -> task<> {
    static int object = 0;
    auto body = std::make_unique<int>(4);
    auto named = [&]() -> task<std::unique_ptr<int>> { co_return std::move(body); };

    auto unique = co_await async_with(without_value(), std::ref(named));
    int& reference = co_await async_with(without_value(), []() -> task<int&> { co_return object; });

    EXPECT_EQ(*unique, 4);
    EXPECT_EQ(&reference, &object);
  });
}

TEST_P(AsyncWith, FailedBody_IsExitedAndRethrown) {
  run([]() -> task<> {
    log seen;

    const auto ended = co_await catch_all(async_with(logged(seen), [](logged&) -> task<> {
      co_await yield();
      throw std::runtime_error("body");
    }));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_EQ(seen, "enter exit-after-error ");
  });
}

TEST_P(AsyncWith, FailedEnter_IsNotExited) {
  run([]() -> task<> {
    struct refuses {
      task<> aenter() {
        co_await yield();
        throw std::runtime_error("enter");
      }
      task<> aexit(std::exception_ptr) {
        ADD_FAILURE() << "was never entered";
        co_return;
      }
    };

    const auto ended =
        co_await catch_all(async_with(refuses(), [] { ADD_FAILURE() << "the body of nothing"; }));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
  });
}

TEST_P(AsyncWith, FailedExit_ReplacesTheOutcome) {
  run([]() -> task<> {
    struct breaks {
      task<> aenter() { co_return; }
      task<> aexit(std::exception_ptr) {
        co_await yield();
        throw std::logic_error("exit");
      }
    };

    const auto after_value =
        co_await catch_all(async_with(breaks(), []() -> task<int> { co_return 1; }));
    const auto after_error = co_await catch_all(
        async_with(breaks(), []() -> task<int> { throw std::runtime_error("body"); }));

    EXPECT_TRUE(after_value.threw<std::logic_error>());
    EXPECT_TRUE(after_error.threw<std::logic_error>());
  });
}

TEST_P(AsyncWith, ExitThatSaysTrue_EndsTheException) {
  run([]() -> task<> {
    const auto ended = co_await catch_all(
        async_with(swallows(), []() -> task<> { throw std::runtime_error("body"); }));
    const auto without_any =
        co_await catch_all(async_with(swallows(), [](int value) -> task<int> { co_return value; }));
    const auto owes_a_value = co_await catch_all(
        async_with(swallows(), []() -> task<int> { throw std::runtime_error("body"); }));

    EXPECT_TRUE(ended.ok());
    EXPECT_TRUE(without_any.ok());
    EXPECT_TRUE(owes_a_value.threw<std::runtime_error>());
  });
}

// ---- Cancellation -------------------------------------------------------------------------------

/// How a task ends that is cancelled in the body.
template <class R>
task<ending> cancelled_inside(R resource) {
  event never, inside;
  auto cancelled = spawn([&]() -> task<> {
    const auto body = [&]() -> task<> {
      inside.set();
      co_await never.wait();
    };
    co_await async_with(std::move(resource), body);
  });
  co_await inside.wait();
  co_await until_waiting(cancelled);
  cancelled.cancel();
  co_return co_await ending_of(cancelled);
}

TEST_P(AsyncWith, CancelledBody_IsExitedAndEndsCancelled) {
  run([]() -> task<> {
    log seen;

    const ending how = co_await cancelled_inside(logged(seen));

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(seen, "enter exit-after-error ");
  });
}

TEST_P(AsyncWith, Exit_IsShielded) {
  run([]() -> task<> {
    struct slow {
      event& begun;
      event& leave;
      bool& left;
      task<> aenter() { co_return; }
      task<> aexit(std::exception_ptr) {
        begun.set();
        co_await leave.wait();
        left = true;
      }
    };
    event begun, leave;
    bool left = false;
    auto user = spawn([&]() -> task<> {
      slow resource{begun, leave, left};
      co_await async_with(resource, [] {});
      co_await sleep(1h);
    });
    co_await begun.wait();
    co_await until_waiting(user);

    user.cancel();
    co_await yield();
    EXPECT_FALSE(user.done());
    leave.set();
    const ending how = co_await ending_of(user);

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_TRUE(left);
  });
}

TEST_P(AsyncWith, ExpiredDeadlineAround_LetsTheExitRun) {
  run([]() -> task<> {
    log seen;
    const auto ended = co_await catch_all([](log& to) -> task<> {
      deadline limit{1h};
      co_await async_with(logged(to), [&](logged&) -> task<> {
        limit.extend(0s);
        co_await sleep(2h);
      });
    }(seen));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_EQ(seen, "enter exit-after-error ");
  });
}

TEST(AsyncWithInTime, Exit_LimitsItselfWithADeadline) {
  test_runtime rt;
  rt.run([&]() -> task<> {
    struct hangs {
      task<> aenter() { co_return; }
      task<> aexit(std::exception_ptr) {
        const deadline limit{50ms};
        co_await sleep(1h);
      }
    };

    const auto ended = co_await catch_all(async_with(hangs(), [] {}));

    EXPECT_TRUE(ended.threw<timeout_error>());
    EXPECT_EQ(rt.clock().elapsed(), 50ms);
  });
}

TEST_P(AsyncWith, CancelScopeAround_LetsTheExitRun) {
  run([]() -> task<> {
    log seen;
    const bool finished = co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      co_await async_with(logged(seen), [&](logged&) -> task<> {
        scope.cancel();
        co_await sleep(1h);
      });
    });

    EXPECT_FALSE(finished);
    EXPECT_EQ(seen, "enter exit-after-error ");
  });
}

// ---- Generators ---------------------------------------------------------------------------------

async_generator<std::string> session(log& to) {
  to += "enter ";
  co_await yield();
  std::exception_ptr error;
  try {
    co_yield "value";
  } catch (...) {  // goes on below
    error = std::current_exception();
  }
  co_await yield();
  to += error == nullptr ? "exit " : "exit-after-error ";
  if (error != nullptr) std::rethrow_exception(error);
}

TEST_P(AsyncWith, Generator_ReleasesAfterItsYield) {
  run([]() -> task<> {
    log seen;

    const auto size = co_await async_with(
        session(seen), [](std::string value) -> task<std::size_t> { co_return value.size(); });

    EXPECT_EQ(size, 5u);
    EXPECT_EQ(seen, "enter exit ");
  });
}

TEST_P(AsyncWith, GeneratorOfReferences_GivesTheObject) {
  run([]() -> task<> {
    int object = 1;
    const auto lend = [](int& lent) -> async_generator<int&> { co_yield lent; };

    co_await async_with(lend(object), [](int& lent) { lent = 2; });

    EXPECT_EQ(object, 2);
  });
}

TEST_P(AsyncWith, ExceptionOfTheBody_ComesOutOfTheYield) {
  run([]() -> task<> {
    log seen;

    const auto ended = co_await catch_all(
        async_with(session(seen), [](std::string) -> task<> { throw std::runtime_error("body"); }));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_EQ(seen, "enter exit-after-error ");
  });
}

TEST_P(AsyncWith, GeneratorThatCatches_EndsTheException) {
  run([]() -> task<> {
    const auto forgiving = []() -> async_generator<int> {
      try {
        co_yield 1;
      } catch (const std::runtime_error&) {
      }
    };
    const auto translating = []() -> async_generator<int> {
      try {
        co_yield 1;
      } catch (const std::runtime_error&) {
        throw std::logic_error("translated");
      }
    };
    const auto fail = [](int) -> task<> { throw std::runtime_error("body"); };

    const auto swallowed = co_await catch_all(async_with(forgiving(), fail));
    const auto replaced = co_await catch_all(async_with(translating(), fail));

    EXPECT_TRUE(swallowed.ok());
    EXPECT_TRUE(replaced.threw<std::logic_error>());
  });
}

TEST_P(AsyncWith, GeneratorWithoutAHandler_StillRunsItsDestructors) {
  run([]() -> task<> {
    bool released = false;
    struct release {
      bool& done;
      ~release() { done = true; }
    };
    const auto careless = [&]() -> async_generator<int> {
      const release at_exit{released};
      co_yield 1;
    };

    const auto ended = co_await catch_all(
        async_with(careless(), [](int) -> task<> { throw std::runtime_error("body"); }));

    EXPECT_TRUE(ended.threw<std::runtime_error>());
    EXPECT_TRUE(released);
  });
}

TEST_P(AsyncWith, GeneratorThatYieldsTwiceOrNever_IsAnError) {
  run([]() -> task<> {
    bool closed = false;
    const auto never = []() -> async_generator<int> { co_return; };
    const auto twice = [&]() -> async_generator<int> {
      co_yield 1;
      try {
        co_yield 2;
      } catch (const cancelled_error&) {
        closed = true;
        throw;
      }
    };

    const auto none = co_await catch_all(async_with(never(), [](int) {}));
    const auto two = co_await catch_all(async_with(twice(), [](int) {}));

    EXPECT_TRUE(none.threw<invalid_state_error>());
    EXPECT_TRUE(two.threw<invalid_state_error>());
    EXPECT_TRUE(closed);
  });
}

TEST_P(AsyncWith, CancelledBodyOfAGenerator_IsReleased) {
  run([]() -> task<> {
    log seen;

    const ending how = co_await cancelled_inside(session(seen));

    EXPECT_EQ(how, ending::cancelled);
    EXPECT_EQ(seen, "enter exit-after-error ");
  });
}

}  // namespace
}  // namespace weft::testing
