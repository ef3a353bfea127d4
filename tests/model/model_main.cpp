// Runs all models as tests. One failing execution alone:
//
//   weft_model_tests --replay Suite.Name 2:17b3a
//
// The same for a search that has to fail, where a bug was planted:
//
//   weft_model_tests --must-fail Suite.Name
//
// How good they are, see checker/mutation.h; mutation.sh does it for both programs:
//
//   weft_model_tests --mutations report.tsv [--known other.tsv] [--in runtime/future.cpp:88]

#include "checker/mutation.h"
#include "checker/registry.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace weft::model {
namespace {

class model_test : public testing::Test {
 public:
  explicit model_test(const registered_model& of) : model_(of) {}

  void TestBody() override {
    const result all = model_.check_all(on_failure::explain);
    ASSERT_TRUE(all.passed()) << all.report();
    EXPECT_TRUE(all.complete) << all.report();
    std::printf("  %s, %.2f s\n", all.report().c_str(), all.seconds);
    for (const strategy how : {strategy::pct, strategy::random}) {
      const result some = model_.check_by_lot(how, on_failure::explain);
      ASSERT_TRUE(some.passed()) << some.report();
    }
  }

 private:
  const registered_model& model_;
};

constexpr int bad_usage = 2;

/// Null, and a message: there is none.
const registered_model* find_model(std::string_view name) {
  for (const registered_model* each : registered_model::all()) {
    if (each->full_name() == name) return each;
  }
  std::fprintf(stderr, "there is no model called %.*s\n", static_cast<int>(name.size()),
               name.data());
  return nullptr;
}

int run_one(std::string_view name, const std::string& text) {
  const registered_model* const model = find_model(name);
  if (model == nullptr) return bad_usage;
  const result found = model->replay(text);
  std::printf("%s%s\n", found.trace.c_str(), found.passed() ? "passed" : found.failure.c_str());
  return found.passed() ? 0 : 1;
}

int expect_failure(std::string_view name) {
  const registered_model* const model = find_model(name);
  if (model == nullptr) return bad_usage;
  const result found = model->check_all(on_failure::explain);
  std::printf("%s\n", found.report().c_str());
  return found.passed() ? 1 : 0;
}

int weaken_orders(int argc, char** argv) {
  mutation_run how{.report = argv[2]};
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--known") how.known = argv[i + 1];
    if (option == "--in") how.where = argv[i + 1];
    if (option == "--processes") how.processes = static_cast<unsigned>(std::atoi(argv[i + 1]));
  }
  return run_mutations(how);
}

}  // namespace
}  // namespace weft::model

int main(int argc, char** argv) {
  using namespace weft::model;
  testing::InitGoogleTest(&argc, argv);
  if (argc == 4 && std::string_view(argv[1]) == "--replay") return run_one(argv[2], argv[3]);
  if (argc == 3 && std::string_view(argv[1]) == "--must-fail") return expect_failure(argv[2]);
  if (argc >= 3 && std::string_view(argv[1]) == "--mutations") return weaken_orders(argc, argv);
  for (const registered_model* each : registered_model::all()) {
    testing::RegisterTest(each->suite(), each->name(), nullptr, nullptr, __FILE__, __LINE__,
                          [each]() -> testing::Test* { return new model_test(*each); });
  }
  return RUN_ALL_TESTS();
}
