#include "runtimes.h"
#include <weft/runtime/context_var.h>
#include <weft/runtime/fork.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/select.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/to_thread.h>
#include <weft/sync/event.h>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

context_var<std::string> word{"default"};
context_var<int> number(0);

task<std::string> read_word() {
  co_await yield();
  co_return word.get();
}

class ContextVar : public every_runtime {};
INSTANTIATE_TEST_SUITE_P(Runtimes, ContextVar, every_kind(), name_of);

TEST_P(ContextVar, Value_SurvivesEverySuspensionAndIsReset) {
  run([]() -> task<> {
    EXPECT_EQ(word.get(), "default");
    auto before = word.set("mine");
    co_await sleep(1ms);
    EXPECT_EQ(word.get(), "mine");
    const std::string awaited = co_await read_word();
    EXPECT_EQ(awaited, "mine");

    word.reset(std::move(before));

    EXPECT_EQ(word.get(), "default");
  });
}

TEST_P(ContextVar, Child_StartsWithACopy) {
  run([]() -> task<> {
    event go;
    (void)word.set("at the spawn");
    auto child = spawn(
        [](event& gate) -> task<std::string> {
          co_await gate.wait();
          const std::string found = word.get();
          (void)word.set("of the child");
          co_return found;
        },
        std::ref(go));
    (void)word.set("later");
    go.set();

    const std::string found = co_await child;

    EXPECT_EQ(found, "at the spawn");
    EXPECT_EQ(word.get(), "later");
  });
}

TEST_P(ContextVar, EveryWayToBeginATask_Inherits) {
  run([]() -> task<> {
    (void)word.set("inherited");
    const std::string spawned = co_await spawn(read_word());
    const std::string named = co_await spawn(read_word(), {.name = "named"});
    const auto [gathered, nothing] = co_await gather(read_word(), sleep(1ms));
    const auto selected = co_await select(read_word(), sleep(1h));
    const std::string grouped =
        co_await with_task_group([](task_group& group) -> task<std::string> {
          auto child = group.spawn(read_word());
          co_return co_await child;
        });
    auto forked = fork(read_word());
    const std::string joined = co_await forked;
    const std::string in_thread = co_await to_thread([] { return word.get(); });
    const std::string abandonable =
        co_await to_thread(abandon_on_cancel, [] { return word.get(); });

    EXPECT_EQ(spawned, "inherited");
    EXPECT_EQ(named, "inherited");
    EXPECT_EQ(gathered, "inherited");
    EXPECT_EQ(std::get<0>(selected), "inherited");
    EXPECT_EQ(grouped, "inherited");
    EXPECT_EQ(joined, "inherited");
    EXPECT_EQ(in_thread, "inherited");
    EXPECT_EQ(abandonable, "inherited");
  });
}

TEST_P(ContextVar, Callback_SeesTheContextOfWhoRegisteredIt) {
  run([]() -> task<> {
    event go, called_soon, called_done;
    std::string soon, done;
    auto observed = spawn(go.wait());
    auto before = word.set("registered");
    call_soon([&] {
      soon = word.get();
      called_soon.set();
    });
    observed.add_done_callback([&] {
      done = word.get();
      called_done.set();
    });
    word.reset(std::move(before));
    go.set();
    co_await called_soon.wait();
    co_await called_done.wait();

    EXPECT_EQ(soon, "registered");
    EXPECT_EQ(done, "registered");
  });
}

TEST_P(ContextVar, Token_IsUsedOnceForItsVariableInItsTask) {
  run([]() -> task<> {
    static context_var<std::string> other{"other"};
    auto token = word.set("set");
    auto wrong = word.set("again");
    auto foreign = word.set("a third time");

    EXPECT_THROW(other.reset(std::move(wrong)), invalid_state_error);
    auto child = spawn(
        [](context_var<std::string>::token t) -> task<> {
          EXPECT_THROW(word.reset(std::move(t)), invalid_state_error);
          co_return;
        },
        std::move(foreign));
    co_await child;
    word.reset(std::move(token));
    EXPECT_EQ(word.get(), "default");
    EXPECT_THROW(word.reset(std::move(token)),
                 invalid_state_error);  // NOLINT(bugprone-use-after-move)
  });
}

TEST(ContextVarOutside, Variable_HasItsDefaultAndCannotBeSet) {
  EXPECT_EQ(word.get(), "default");
  EXPECT_THROW((void)word.set("nowhere"), std::logic_error);
}

TEST(ContextVarOfARuntime, MainOfALaterRun_StartsWithTheDefaults) {
  for (const std::size_t workers : {1u, 4u}) {
    runtime rt({.workers = workers});
    rt.run([]() -> task<> {
      (void)word.set("of the first run");
      co_return;
    });

    EXPECT_EQ(rt.run(read_word()), "default");
  }
}

TEST_P(ContextVar, Value_DiesWithTheTasksThatSeeIt) {
  run([]() -> task<> {
    static context_var<std::shared_ptr<int>> holder{nullptr};
    std::weak_ptr<int> watched;
    auto child = spawn(
        [](std::weak_ptr<int>& weak) -> task<> {
          auto kept = std::make_shared<int>(1);
          weak = kept;
          (void)holder.set(std::move(kept));
          co_await yield();
        },
        std::ref(watched));

    co_await child;

    EXPECT_TRUE(watched.expired());  // although the handle lives
  });
}

TEST_P(ContextVar, NameAskedForLater_KeepsTheContext) {
  run([]() -> task<> {
    (void)word.set("kept");
    event go;
    auto child = spawn(
        [](event& gate) -> task<std::string> {
          co_await gate.wait();
          co_return word.get();
        },
        std::ref(go));
    EXPECT_FALSE(child.name().empty());  // makes what few tasks have
    go.set();

    const std::string found = co_await child;

    EXPECT_EQ(found, "kept");
  });
}

// On four workers tasks set, inherit and ask for names at once.
TEST(ContextVarStress, Tasks_NeverSeeTheValuesOfOthers) {
  weft::run(
      []() -> task<> {
        const auto one = [](int n) -> task<int> {
          (void)number.set(n);
          int wrong = 0;
          for (int i = 0; i < 50; ++i) {
            auto child = spawn(
                [](int expected) -> task<int> {
                  co_await yield();
                  co_return number.get() == expected ? 0 : 1;
                },
                n);
            if (i % 3 == 0) (void)child.name();
            co_await yield();
            wrong += co_await child;
            wrong += number.get() == n ? 0 : 1;
          }
          co_return wrong;
        };
        int wrong = 0;
        for (const int each : co_await gather(std::views::iota(1, 65) | std::views::transform(one)))
          wrong += each;
        EXPECT_EQ(wrong, 0);
        EXPECT_EQ(number.get(), 0);
      },
      {.workers = 4});
}

}  // namespace
}  // namespace weft::testing
