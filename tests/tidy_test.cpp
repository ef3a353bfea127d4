// The style test: reads every source file and tells where the tree is not tidy. Each rule is first
// shown a small tree that breaks it, then the project itself. The rules are in
// support/tidy_*_rules.h.

#include "tidy_include_rules.h"
#include "tidy_line_rules.h"
#include "tidy_table_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <iostream>
#include <string>
#include <utility>

namespace weft::tidy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Headers whose tests are in another file than tests/<path>_test.cpp.
constexpr auto tested_elsewhere = std::to_array<covered_elsewhere>({
    covered_elsewhere{"fs/detail/file_call.h", "tests/fs/file_test.cpp", "every operation"},
    covered_elsewhere{"fs/detail/file_requests.h", "tests/fs/file_test.cpp", "every operation"},
    covered_elsewhere{"fs/detail/removal.h", "tests/fs/temp_test.cpp", "what a ticket is for"},
    covered_elsewhere{"fs/detail/unique_fd.h", "tests/fs/whole_file_test.cpp", "every opened file"},
    covered_elsewhere{"fs/file_stat.h", "tests/fs/path_operations_test.cpp", "what stat gives"},
    covered_elsewhere{"net/bytes.h", "tests/runtime/bytes_test.cpp",
                      "an include of runtime/bytes.h"},
    covered_elsewhere{"runtime/detail/atomic.h", "tests/runtime/spawn_test.cpp", "an alias"},
    covered_elsewhere{"runtime/detail/blocking_job.h",
                      "tests/runtime/detail/blocking_pool_test.cpp", "what the pool runs"},
    covered_elsewhere{"runtime/detail/chaos.h", "tests/tools/stress_test.cpp",
                      "through weft-stress"},
    covered_elsewhere{"runtime/detail/context.h", "tests/runtime/context_var_test.cpp",
                      "through context variables"},
    covered_elsewhere{"runtime/detail/deadlock_watch.h", "tests/runtime/debug_test.cpp",
                      "through runtime_options::on_deadlock"},
    covered_elsewhere{"runtime/detail/debug_reports.h", "tests/runtime/debug_test.cpp",
                      "through debug mode"},
    covered_elsewhere{"runtime/detail/descriptor.h", "tests/net/detail/descriptor_test.cpp",
                      "through its name in net"},
    covered_elsewhere{"runtime/detail/handle_observer.h", "tests/runtime/wait_test.cpp",
                      "through wait"},
    covered_elsewhere{"runtime/detail/interrupt_scope.h", "tests/runtime/cancel_scope_test.cpp",
                      "through cancel scopes"},
    covered_elsewhere{"runtime/detail/intrusive_list.h", "tests/sync/semaphore_test.cpp",
                      "waiters of every primitive"},
    covered_elsewhere{"runtime/detail/io_source.h", "tests/net/tcp_test.cpp",
                      "every read and write"},
    covered_elsewhere{"runtime/detail/open_generators.h", "tests/runtime/async_generator_test.cpp",
                      "through the shutdown of a runtime"},
    covered_elsewhere{"runtime/detail/poller.h", "tests/net/tcp_test.cpp", "every read and write"},
    covered_elsewhere{"runtime/detail/sigint_guard.h", "tests/runtime/runtime_test.cpp",
                      "through run, in child processes"},
    covered_elsewhere{"runtime/detail/spin_lock.h", "tests/sync/channel_test.cpp",
                      "the lock of every primitive"},
    covered_elsewhere{"runtime/detail/sys.h", "tests/net/tcp_test.cpp", "which puts faults in"},
    covered_elsewhere{"runtime/detail/sys_file.h", "tests/fs/file_test.cpp",
                      "which puts faults in"},
    covered_elsewhere{"runtime/detail/threads.h", "tests/runtime/detail/blocking_pool_test.cpp",
                      "aliases of what the blocking pool is made of"},
});

const source_tree& project() {
  static const source_tree tree = source_tree::read(WEFT_SOURCE_ROOT);
  return tree;
}

source_tree tree_of(std::initializer_list<std::pair<const char*, const char*>> files) {
  source_tree tree;
  for (const auto& [path, text] : files) tree.add(path, text);
  return tree;
}

// One complaint a line, so that a failure reads like a compiler's.
std::string report(const complaints& found) {
  std::string text;
  for (const std::string& each : found) text += each + "\n";
  return text;
}

void expect_none(const complaints& found) {
  EXPECT_TRUE(found.empty()) << report(found);
}

TEST(SourceTree, Project_IsFound) {
  EXPECT_FALSE(project().files().empty());
}

TEST(SourceTree, Code_HasNoCommentsAndNoLiterals) {
  const std::string code = blank_comments_and_literals("a /* b */ \"c\\\"d\" '\\'' 1'000 // e\nf");

  EXPECT_EQ(code, "a         \"    \" '  ' 1'000     \nf");
}

TEST(Layers, IncludeThatPointsUp_IsReported) {
  const auto tree =
      tree_of({{"runtime/task.h", "#include \"../sync/event.h\"\n"}, {"sync/event.h", ""}});

  EXPECT_THAT(layer_violations(tree),
              ElementsAre("runtime/task.h:1: runtime must not include sync/event.h"));
}

TEST(Layers, IncludeBetweenNeighbours_IsReported) {
  const auto tree = tree_of({{"net/tcp.h", "#include \"../fs/file.h\"\n"}, {"fs/file.h", ""}});

  EXPECT_THAT(layer_violations(tree), ElementsAre(HasSubstr("net must not include fs/file.h")));
}

TEST(Layers, InternalsOfAnotherModule_AreReportedUnlessShared) {
  const auto tree = tree_of({{"runtime/detail/README.md", "| shared | `wait_node` |\n"},
                             {"runtime/detail/wait_node.h", ""},
                             {"runtime/detail/worker.h", ""},
                             {"sync/event.h",
                              "#include \"../runtime/detail/wait_node.h\"\n"
                              "#include \"../runtime/detail/worker.h\"\n"}});

  EXPECT_THAT(layer_violations(tree),
              ElementsAre(HasSubstr("event.h:2: runtime/detail/worker.h is private")));
}

TEST(Layers, ThirdPartyHeader_IsReported) {
  const auto tree = tree_of(
      {{"runtime/task.h", "#include <atomic>\n#include <sys/epoll.h>\n#include <boost/asio.hpp>\n"},
       {"net/tls.h", "#include <openssl/ssl.h>\n"}});

  EXPECT_THAT(layer_violations(tree), ElementsAre(HasSubstr("task.h:3: <boost/asio.hpp>")));
}

TEST(Layers, WayOfUsersInsideTheLibrary_IsReported) {
  const auto tree =
      tree_of({{"sync/event.h", "#include <weft/runtime/task.h>\n"}, {"runtime/task.h", ""}});

  EXPECT_THAT(layer_violations(tree), SizeIs(1));
}

TEST(Layers, Project_PointsDown) {
  expect_none(layer_violations(project()));
}

TEST(Ranks, IncludeThatPointsUp_IsReported) {
  const auto tree =
      tree_of({{"runtime/detail/README.md", "| L0 | `clock` |\n| L3 | `worker.h` |\n"},
               {"runtime/clock.h", "#include \"detail/worker.h\"\n"},
               {"runtime/detail/worker.h", "#include \"../task.h\"\n#include \"../clock.h\"\n"},
               {"runtime/task.h", "#include \"detail/worker.h\"\n"}});

  EXPECT_THAT(rank_violations(tree),
              ElementsAre("runtime/clock.h:1: L0 includes L3, runtime/detail/worker.h",
                          "runtime/detail/worker.h:1: L3 includes L4, runtime/task.h"));
}

TEST(Ranks, InternalFileThatIsNotListed_IsReported) {
  const auto tree = tree_of({{"runtime/detail/worker.h", ""}});

  EXPECT_THAT(rank_violations(tree), SizeIs(1));
}

TEST(Ranks, Project_PointsDown) {
  expect_none(rank_violations(project()));
}

TEST(Cycles, TwoHeadersThatIncludeEachOther_AreReportedOnce) {
  const auto tree =
      tree_of({{"sync/a.h", "#include \"b.h\"\n"}, {"sync/b.h", "#include \"a.h\"\n"}});

  EXPECT_THAT(include_cycles(tree), ElementsAre("sync/a.h -> sync/b.h -> sync/a.h"));
}

TEST(Cycles, Project_HasNone) {
  expect_none(include_cycles(project()));
}

TEST(Headers, WithoutPragmaOnce_AreReported) {
  const auto tree = tree_of({{"sync/a.h", "#pragma once\n"}, {"sync/b.h", "struct b;\n"}});

  EXPECT_THAT(headers_without_pragma_once(tree), ElementsAre(HasSubstr("sync/b.h")));
}

TEST(Headers, Project_HasPragmaOnce) {
  expect_none(headers_without_pragma_once(project()));
}

TEST(TestPerHeader, MissingTest_IsReported) {
  const auto tree =
      tree_of({{"sync/a.h", ""}, {"sync/detail/b.h", ""}, {"tests/sync/a_test.cpp", ""}});

  EXPECT_THAT(headers_without_test(tree, {}),
              ElementsAre("sync/detail/b.h: has no test, tests/sync/detail/b_test.cpp"));
}

TEST(TestPerHeader, ListedHeader_NeedsNoTestOfItsOwn) {
  const auto tree = tree_of({{"sync/a.h", ""}, {"tests/sync/c_test.cpp", ""}});
  const std::array listed{covered_elsewhere{"sync/a.h", "tests/sync/c_test.cpp", "c is made of a"}};

  EXPECT_THAT(headers_without_test(tree, listed), IsEmpty());
}

TEST(TestPerHeader, StaleListing_IsReported) {
  const std::array listed{covered_elsewhere{"sync/gone.h", "tests/sync/gone_test.cpp", "it was"}};

  EXPECT_THAT(headers_without_test(source_tree{}, listed), SizeIs(2));
}

TEST(TestPerHeader, Project_HasThemAll) {
  expect_none(headers_without_test(project(), tested_elsewhere));
}

TEST(MemoryOrders, WithoutAReasonNearby_AreReported) {
  const auto tree = tree_of({{"sync/a.h",
                              "x.load(std::memory_order_relaxed);\n"
                              "// pairs with set()\n"
                              "x.load(std::memory_order_acquire);\n"
                              "\n\n\n"
                              "x.load(std::memory_order::acquire);\n"}});

  EXPECT_THAT(uncommented_memory_orders(tree), ElementsAre(HasSubstr("sync/a.h:7")));
}

TEST(MemoryOrders, Project_GivesReasons) {
  expect_none(uncommented_memory_orders(project()));
}

TEST(Macros, FunctionLike_AreReported) {
  const auto tree =
      tree_of({{"sync/a.h", "#define A 1\n#  define TWICE(x) ((x) + (x))\n// #define NO(x)\n"}});

  EXPECT_THAT(function_like_macros(tree), ElementsAre(HasSubstr("sync/a.h:2")));
}

TEST(Macros, Project_HasNone) {
  expect_none(function_like_macros(project()));
}

TEST(Sleeping, InATest_IsReported) {
  const auto tree =
      tree_of({{"tests/sync/a_test.cpp", "std::this_thread::sleep_for(1s);\n// sleep_for(1s)\n"},
               {"tests/stress/a_test.cpp", "std::this_thread::sleep_for(1s);\n"}});

  EXPECT_THAT(sleeping_tests(tree), ElementsAre(HasSubstr("tests/sync/a_test.cpp:1")));
}

TEST(Sleeping, Project_DoesNot) {
  expect_none(sleeping_tests(project()));
}

TEST(Conditions, ThatAwait_AreReported) {
  const auto tree =
      tree_of({{"sync/a.h", "if (!co_await x) return;\nwhile (auto v = co_await x) f(v);\n"}});

  EXPECT_THAT(awaits_in_conditions(tree), ElementsAre(HasSubstr("sync/a.h:1")));
}

TEST(Conditions, Project_NamesTheValueFirst) {
  expect_none(awaits_in_conditions(project()));
}

TEST(UnfinishedWork, Marks_AreReported) {
  source_tree tree;
  tree.add("sync/a.h", std::string("// FIX") + "ME: later\n");

  EXPECT_THAT(unfinished_work(tree), SizeIs(1));
}

TEST(UnfinishedWork, Project_HasNone) {
  expect_none(unfinished_work(project()));
}

TEST(TestNames, ThatAreNoSentence_AreReported) {
  source_tree tree;
  tree.add("tests/sync/a_test.cpp", "TEST(Event, Set_WakesAll) {\nTEST(Event, Works) {\n");

  EXPECT_THAT(test_names_that_say_little(tree),
              ElementsAre(HasSubstr("Works is not Subject_Behaviour")));
}

TEST(TestNames, Project_SaysWhatIsTested) {
  expect_none(test_names_that_say_little(project()));
}

TEST(Tables, TestThatDoesNotExist_IsReported) {
  const auto tree =
      tree_of({{"tests/sync/a_test.cpp", "TEST(Event, Set_WakesAll) {\n"},
               {"tests/model/a_model.cpp",
                "const registered_model a(\n    \"Rescue\", \"Task_Runs\", {}, [] {\n"},
               {"tests/A.md",
                "`sync/a_test.cpp: Event.Set_WakesAll`, `Event.*`, `Event.Gone_IsGone`\n"
                "`sync/b_test.cpp: Event.Set_WakesAll`\n"
                "`Event.Set_WakesAll` of no file\n"
                "`model/a_model.cpp: Rescue.Task_Runs`, `Rescue.*`, `Rescue.Gone_IsGone`\n"}});

  EXPECT_THAT(named_tests_that_do_not_exist(tree, "tests/A.md"),
              ElementsAre("tests/A.md:1: Event.Gone_IsGone is not in tests/sync/a_test.cpp",
                          HasSubstr("tests/A.md:2"), HasSubstr("tests/A.md:3"),
                          "tests/A.md:4: Rescue.Gone_IsGone is not in tests/model/a_model.cpp"));
}

TEST(Tables, ProjectNamesTests_ThatExist) {
  for (const char* document : {"tests/CONTRACTS.md", "tests/GUARANTEES.md"}) {
    EXPECT_FALSE(project().document(document).empty()) << document;
    expect_none(named_tests_that_do_not_exist(project(), document));
  }
}

TEST(Tables, ContractsThatAreMissingOrMiscounted_AreReported) {
  const auto tree = tree_of({{"tests/A.md",
                              "| held as they are | 1 |\n"
                              "| not met | 2 |\n"
                              "| C1 | 1 | says | `sync/a_test.cpp: Event.Set_WakesAll` |\n"
                              "| C3 | 1 | says | **not met**: why |\n"
                              "| C3 | 1 | says | |\n"}});

  EXPECT_THAT(
      contracts_without_answer(tree, "tests/A.md", 4),
      ElementsAre("tests/A.md:4: C2 was expected", "tests/A.md:5: neither a test nor a reason",
                  "tests/A.md: ends with C3, of 4",
                  "tests/A.md: not met: 2 are claimed, 1 are there"));
}

TEST(Tables, Project_AnswersEveryContract) {
  expect_none(contracts_without_answer(project(), "tests/CONTRACTS.md", 272));
}

TEST(Sizes, LongFiles_AreListed) {
  source_tree tree;
  tree.add("sync/a.h", std::string(301, '\n'));
  tree.add("sync/a.cpp", std::string(600, '\n'));

  EXPECT_THAT(long_files(tree), ElementsAre("sync/a.h: 301 lines"));
}

// A list to look at, no failure: the reader decides whether a file holds two concepts.
TEST(Sizes, Project_ListsItsLongFiles) {
  std::cout << report(long_files(project()));
}

}  // namespace
}  // namespace weft::tidy
