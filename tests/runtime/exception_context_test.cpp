#include "runtimes.h"
#include <weft/runtime/exception_context.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// An exception_context, kept.
struct report {
  std::string message;
  std::exception_ptr exception;
  task_id task;
};

class ExceptionContext : public every_runtime {
 protected:
  /// What the handler is told while `body` runs.
  template <class F>
  std::vector<report> reports_of(F body) {
    std::mutex guard;
    std::vector<report> kept;
    run([&]() -> task<> {
      runtime::current().set_exception_handler([&](const exception_context& context) {
        const std::lock_guard lock(guard);
        kept.push_back({std::string(context.message), context.exception, context.task});
      });
      co_await body();
    });
    return kept;
  }
};
INSTANTIATE_TEST_SUITE_P(Runtimes, ExceptionContext, every_kind(), name_of);

std::string what_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {  // no message
    return "";
  }
}
task<> fail() {
  throw std::runtime_error("nobody looked");
  co_return;
}

TEST(ExceptionContextDefaults, Context_KnowsNothingAtFirst) {
  const exception_context context;

  EXPECT_TRUE(context.message.empty());
  EXPECT_EQ(context.exception, nullptr);
  EXPECT_EQ(context.task, 0u);
}

TEST_P(ExceptionContext, UnretrievedFailure_ComesWithItsExceptionAndItsTask) {
  task_id id = 0;

  const std::vector<report> reports = reports_of([&]() -> task<> {
    auto child = spawn(fail(), {.name = "child"});
    id = child.id();
    while (!child.done()) co_await yield();
  });

  ASSERT_EQ(reports.size(), 1u);
  EXPECT_THAT(reports[0].message, HasSubstr("never retrieved"));
  EXPECT_EQ(what_of(reports[0].exception), "nobody looked");
  EXPECT_EQ(reports[0].task, id);
  EXPECT_NE(id, 0u);
}

TEST_P(ExceptionContext, TaskThatNobodyAskedForItsId_HasNone) {
  const std::vector<report> reports = reports_of([]() -> task<> {
    auto child = spawn(fail());
    while (!child.done()) co_await yield();
  });

  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].task, 0u);
}

TEST(ExceptionContextOptions, HandlerInTheOptions_IsTold) {
  static int told = 0;
  told = 0;

  weft::run([]() -> task<> { co_await yield(); }, {.workers = 1, .exception_handler = nullptr});
  weft::run(
      []() -> task<> {
        auto child = spawn(fail());
        while (!child.done()) co_await yield();
      },
      {.workers = 1, .exception_handler = [](const exception_context& context) {
         EXPECT_EQ(what_of(context.exception), "nobody looked");
         ++told;
       }});

  EXPECT_EQ(told, 1);
}

// Without a handler a report is one line on standard error.
TEST(ExceptionContextDefaults, ReportWithoutAHandler_IsOneLine) {
  ::testing::internal::CaptureStderr();

  weft::run(
      []() -> task<> {
        auto named = spawn(fail(), {.name = "child"});
        while (!named.done()) co_await yield();
        auto odd = spawn([]() -> task<> {
          throw 7;
          co_return;
        });
        while (!odd.done()) co_await yield();
      },
      {.workers = 1});
  const std::string printed = ::testing::internal::GetCapturedStderr();

  EXPECT_THAT(printed, ::testing::ContainsRegex(
                           "weft: task exception was never retrieved \\(task [0-9]+\\): nobody "
                           "looked\n"));
  EXPECT_THAT(printed, HasSubstr("weft: task exception was never retrieved: unknown exception\n"));
}

}  // namespace
}  // namespace weft::testing
