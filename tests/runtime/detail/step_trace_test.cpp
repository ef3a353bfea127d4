#include <weft/runtime/detail/step_trace.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <unistd.h>

namespace weft::detail {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

/// A file that is not there yet.
class trace_file {
 public:
  trace_file() {
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
  }
  ~trace_file() { ::unlink(path_.c_str()); }
  trace_file(const trace_file&) = delete;
  trace_file& operator=(const trace_file&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
  }
  [[nodiscard]] std::vector<std::string> steps() const {
    std::vector<std::string> found = lines();
    std::erase_if(found, [](const std::string& line) { return !line.starts_with(R"({"ph":"X")"); });
    return found;
  }

 private:
  std::string path_ = ::testing::TempDir() + "weft_trace_XXXXXX";
};

task<> yield_twice() {
  co_await yield();
  co_await yield();
}

class StepTrace : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, StepTrace, ::testing::Values(1, 4));

TEST_P(StepTrace, EachStep_IsAnEventOfItsWorkerWithTaskAndPlace) {
  const trace_file file;
  std::uint64_t steps = 0;
  {
    runtime traced({.workers = GetParam(), .name = "traced", .trace = file.path()});
    traced.run([]() -> task<> {
      auto named = spawn({.name = "the \"named\" one"}, yield_twice);
      co_await named;
      co_await gather(yield_twice(), yield_twice());
    });
    traced.shutdown(10s);
    steps = traced.metrics().polls;
  }

  const std::vector<std::string> lines = file.lines();
  EXPECT_EQ(lines.front(), R"({"displayTimeUnit":"ns","traceEvents":[)");
  EXPECT_EQ(lines.back(), "]}");
  EXPECT_THAT(lines, Contains(AllOf(HasSubstr("process_name"), HasSubstr("\"traced\""))));
  for (std::size_t i = 0; i < GetParam(); ++i)
    EXPECT_THAT(lines, Contains(HasSubstr("\"worker " + std::to_string(i) + '"')));
  EXPECT_THAT(file.steps(), SizeIs(steps));
  EXPECT_THAT(file.steps(), Contains(HasSubstr(R"("name":"the \"named\" one")")).Times(3));
  // The first step of the named one begins in what keeps its function.
  EXPECT_THAT(
      file.steps(),
      Contains(AllOf(HasSubstr("yield_twice"), HasSubstr("step_trace_test.cpp:"))).Times(8));
}

TEST(StepTraceOfOneWorker, OldestSteps_MakeRoom) {
  const trace_file file;
  task_state nobody{};
  {
    step_trace trace(file.path(), "", 1, 3);
    const auto now =
        static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    for (std::uint64_t i = 0; i < 5; ++i) trace.add(0, now, now + 1000 * i, {}, nobody);
  }

  const std::vector<std::string> steps = file.steps();
  ASSERT_THAT(steps, SizeIs(3));
  EXPECT_THAT(steps.front(), HasSubstr(R"("dur":2.000)"));
  EXPECT_THAT(steps.back(), HasSubstr(R"("dur":4.000)"));
}

// Names are kept for the steps that are shown.
TEST(StepTraceOfOneWorker, NamesOfManyTasks_MakeRoomToo) {
  const trace_file file;
  {
    step_trace trace(file.path(), "", 1, 2);
    weft::run([&]() -> task<> {
      for (int i = 0; i < 50; ++i) {
        const auto named = spawn({.name = "number " + std::to_string(i)}, yield_twice);
        trace.add(0, 1, 2, {}, *named.state());
        trace.add(0, 1, 2, {}, *named.state());
      }
      co_return;
    });
  }

  EXPECT_THAT(file.steps(), SizeIs(2));
  EXPECT_THAT(file.steps(), Each(HasSubstr(R"("name":"number 49")")));
}

TEST(StepTraceOfOneWorker, FileThatCannotBeMade_IsNamed) {
  try {
    const runtime traced({.workers = 1, .trace = "/nowhere/trace.json"});
    FAIL() << "a trace into a folder that is not there";
  } catch (const std::system_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("trace /nowhere/trace.json: No such file or directory"));
  }
}

}  // namespace
}  // namespace weft::detail
