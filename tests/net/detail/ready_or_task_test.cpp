#include <weft/net/detail/ready_or_task.h>
#include <weft/runtime/as_result.h>
#include <weft/runtime/error.h>
#include <weft/runtime/test_runtime.h>

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>

namespace weft::detail {
namespace {

/// Answers at once, later, or not at all.
struct question {
  using value_type = std::string;
  std::optional<std::string> now = std::nullopt;
  bool fails = false;

  std::optional<std::string> try_now() {
    if (fails) throw std::runtime_error("no");
    return now;
  }
  static task<std::string> wait() {
    co_await yield();
    co_return "later";
  }
};

ready_or_task<question> ask(question asked) {
  return ready_or_task<question>(std::move(asked));
}

TEST(ReadyOrTask, Answer_ComesAtOnceOrFromTheTask) {
  test_runtime rt;
  rt.run([]() -> task<> {
    const question ready{.now = "now"};
    const question unready{};
    EXPECT_EQ(co_await ask(ready), "now");
    EXPECT_EQ(co_await ask(unready), "later");
  });
}

TEST(ReadyOrTask, Failure_IsThrownWhereAsResultSeesIt) {
  test_runtime rt;
  rt.run([]() -> task<> {
    const question failing{.now = std::nullopt, .fails = true};
    const auto outcome = co_await as_result(ask(failing));
    EXPECT_FALSE(outcome.has_value());
    EXPECT_THROW(co_await ask(failing), std::runtime_error);
  });
}

TEST(ReadyOrTask, SecondAwait_Throws) {
  test_runtime rt;
  rt.run([]() -> task<> {
    const question ready{.now = "now"};
    auto asked = ask(ready);
    (void)co_await asked;
    EXPECT_THROW(co_await asked, invalid_state_error);
  });
}

TEST(ReadyOrTask, ReadyAnswers_LetOthersRun) {
  test_runtime rt;
  rt.run([]() -> task<> {
    int turns = 0;
    auto other = spawn(
        [](int& counted) -> task<> {
          for (;;) {
            ++counted;
            co_await yield();
          }
        },
        std::ref(turns));
    const question ready{.now = "now"};

    for (int i = 0; i < 1000; ++i) (void)co_await ask(ready);

    EXPECT_GE(turns, 7);
    other.cancel();
  });
}

}  // namespace
}  // namespace weft::detail
