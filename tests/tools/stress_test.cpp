// weft-stress as its users meet it: every workload holds, and every fault that is built in is
// noticed by the invariant it breaks.

#include "../../tools/stress/plants.h"
#include "running_program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::stress {

using tools::testing_support::finished_program;
using tools::testing_support::run_program;
using tools::testing_support::running_program;

namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// A run with a fixed seed; it ends before its time once something is violated.
finished_program stress(std::vector<std::string> words, const std::string& seconds) {
  words.insert(words.end(), {"--seconds", seconds, "--seed", "7", "--quiet"});
  return run_program("weft-stress", std::move(words));
}

struct Stress : testing::Test {
  void SetUp() override {
    if (!tools::testing_support::programs_are_built()) GTEST_SKIP() << "the programs are not built";
  }
};

struct StressWorkload : Stress, testing::WithParamInterface<const char*> {};
struct StressPlant : Stress, testing::WithParamInterface<plant_info> {};

std::string identifier(std::string_view name) {
  std::string text;
  std::remove_copy(name.begin(), name.end(), std::back_inserter(text), '-');
  return text;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(All, StressWorkload,
                         testing::Values("fork-join", "ping-pong", "channel-storm", "lock-storm",
                                         "timer-storm", "echo-storm", "offload-storm",
                                         "cancel-storm", "foreign-threads"),
                         [](const auto& test) { return identifier(test.param); });

TEST_P(StressWorkload, Invariants_HoldUnderChaos) {
  const finished_program ended = stress({"--workload", GetParam(), "--chaos", "2", "--json"}, "1");

  EXPECT_EQ(ended.exit_code, 0) << ended.errors << ended.out;
  EXPECT_TRUE(ended.out.starts_with("{\"ok\": true, \"seed\": 7,")) << ended.out;
  EXPECT_TRUE(contains(ended.out, "\"complete\": true"));
  EXPECT_FALSE(contains(ended.out, "\"operations\": 0,")) << ended.out;
}

INSTANTIATE_TEST_SUITE_P(All, StressPlant,
                         testing::ValuesIn(all_plants().begin(), all_plants().end()),
                         [](const auto& test) { return identifier(test.param.name); });

TEST_P(StressPlant, Fault_IsNoticedByTheInvariantItBreaks) {
  const auto& [which, name, workload, broken] = GetParam();

  const finished_program ended =
      stress({"--plant", std::string(name), "--patience", "1.5", "--json"}, "10");

  EXPECT_EQ(ended.exit_code, 1) << ended.errors;
  EXPECT_TRUE(contains(ended.errors,
                       std::string(name_of(broken)) + " violated in " + std::string(workload)))
      << ended.errors;
  EXPECT_TRUE(contains(ended.errors, "replay with: weft-stress --workload " +
                                         std::string(workload) +
                                         " --workers 0 --seconds 10 --seed 7"))
      << ended.errors;
  EXPECT_TRUE(ended.out.starts_with("{\"ok\": false,")) << ended.out;
  EXPECT_TRUE(contains(ended.out, "\"plant\": \"" + std::string(name) + "\""));
}

TEST_F(Stress, ListOfWorkloads_HasOneNameALine) {
  const finished_program ended = run_program("weft-stress", {"--list-workloads"});

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(lines_of(ended.out).size(), 9u) << ended.out;
  EXPECT_TRUE(ended.out.starts_with("fork-join\nping-pong\n"));
}

TEST_F(Stress, ListOfPlants_HasOneNameALineAndBreaksEveryInvariant) {
  const finished_program ended = run_program("weft-stress", {"--list-plants"});

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(lines_of(ended.out).size(), all_plants().size());
  for (std::size_t i = 0; i < invariant_count; ++i) {
    const auto which = static_cast<invariant>(i);
    EXPECT_TRUE(std::any_of(all_plants().begin(), all_plants().end(),
                            [&](const plant_info& each) { return each.broken == which; }))
        << name_of(which) << " is not shown to bite";
  }
}

TEST_F(Stress, BadArguments_AreNamed) {
  const std::vector<std::string> cases[] = {{"--workload", "nonsense"},
                                            {"--plant", "nonsense"},
                                            {"--chaos", "4"},
                                            {"--seed", "x1"},
                                            {"--workload", "ping-pong", "--plant", "lost-item"}};

  for (const auto& words : cases) {
    const finished_program ended = run_program("weft-stress", words);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_TRUE(contains(ended.errors, words.back())) << ended.errors;
    EXPECT_EQ(ended.out, "");
  }
}

TEST_F(Stress, Interruption_EndsTheRunWithItsReport) {
  running_program program("weft-stress", {"--seconds", "60", "--seed", "7", "--workload",
                                          "ping-pong", "--progress", "--json"});
  while (!contains(program.errors(), "operations")) ASSERT_TRUE(program.read_more());
  program.send_signal(SIGTERM);

  const int code = program.exit_code();

  EXPECT_EQ(code, 0) << program.errors();
  EXPECT_TRUE(program.out().starts_with("{\"ok\": true")) << program.out();
}

}  // namespace weft::stress
