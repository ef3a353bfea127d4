#include "disk.h"
#include <weft/fs/directory.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

namespace weft::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Directory : public every_runtime {
 protected:
  scratch_folder folder;

  /// All entries, by name below the folder, in order.
  task<std::vector<std::string>> names(
      async_generator<std::filesystem::directory_entry> entries) const {
    std::vector<std::string> all;
    while (auto entry = co_await entries.next())
      all.push_back(entry->path().lexically_relative(folder.path()).string());
    std::sort(all.begin(), all.end());
    co_return all;
  }
};
INSTANTIATE_TEST_SUITE_P(Runtimes, Directory, every_kind(), name_of);

TEST_P(Directory, ReadDirectory_GivesEachEntryOnce) {
  run([this]() -> task<> {
    (void)folder.with("b", "x");
    (void)folder.with("a", "x");
    std::filesystem::create_directories(folder.path() / "d/inner");

    const auto all = co_await names(fs::read_directory(folder.path()));
    const auto none = co_await names(fs::read_directory(folder / "d/inner"));

    EXPECT_THAT(all, ElementsAre("a", "b", "d"));
    EXPECT_THAT(none, IsEmpty());
  });
}

TEST_P(Directory, LargeDirectory_ComesWhole) {
  run([this]() -> task<> {
    for (int i = 0; i < 1000; ++i) (void)folder.with(std::to_string(1000 + i), "");

    const auto all = co_await names(fs::read_directory(folder.path()));

    EXPECT_THAT(all, SizeIs(1000));
    EXPECT_EQ(all.front(), "1000");
    EXPECT_EQ(all.back(), "1999");
    EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
  });
}

TEST_P(Directory, Entry_KnowsItsType) {
  run([this]() -> task<> {
    (void)folder.with("a", "x");
    auto entries = fs::read_directory(folder.path());

    const auto entry = co_await entries.next();

    EXPECT_TRUE(entry.has_value());
    EXPECT_TRUE(entry.has_value() && entry->is_regular_file());
  });
}

TEST_P(Directory, Walk_GivesAllBelowAndFollowsNoLink) {
  run([this]() -> task<> {
    std::filesystem::create_directories(folder.path() / "d/e");
    (void)folder.with("d/e/f", "x");
    (void)folder.with("a", "x");
    std::filesystem::create_directory_symlink(folder.path() / "d", folder / "link");

    const auto all = co_await names(fs::walk(folder.path()));

    EXPECT_THAT(all, ElementsAre("a", "d", "d/e", "d/e/f", "link"));
  });
}

TEST_P(Directory, Errors_NameOperationAndPath) {
  run([this]() -> task<> {
    auto missing = fs::read_directory(folder / "none");
    auto file = fs::walk(folder.with("a", "x"));

    const failure no_directory = co_await failure_of(missing.next());
    const failure no_walk = co_await failure_of(file.next());

    EXPECT_EQ(no_directory.message,
              "read directory " + (folder / "none") + ": No such file or directory");
    EXPECT_EQ(no_walk.message, "walk " + (folder / "a") + ": Not a directory");
  });
}

/// While it lives, so many more descriptors can be opened.
class few_descriptors {
 public:
  explicit few_descriptors(rlim_t more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(STDERR_FILENO);
    ::close(next);
    const rlimit few{static_cast<rlim_t>(next) + more, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  few_descriptors(const few_descriptors&) = delete;
  few_descriptors& operator=(const few_descriptors&) = delete;
  ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// The walk holds a descriptor for each folder it is in.
TEST_P(Directory, ErrorOnTheWay_ComesBehindTheEntriesBeforeIt) {
  run([this]() -> task<> {
    std::filesystem::create_directories(folder.path() / "1/2/3/4/5/6/7/8/9/10");
    auto entries = fs::walk(folder.path());
    std::size_t given = 0;
    failure failed;
    {
      const few_descriptors limit(5);
      try {
        while (co_await entries.next()) ++given;
      } catch (const std::system_error& error) {
        failed = {error.code(), error.what()};
      }
    }

    EXPECT_EQ(failed.code, std::errc::too_many_files_open);
    EXPECT_EQ(failed.message, "walk " + folder.path().string() + ": Too many open files");
    EXPECT_GT(given, 0u);
    EXPECT_LT(given, 10u);
    EXPECT_FALSE((co_await entries.next()).has_value());
  });
}

TEST_P(Directory, GeneratorThatIsDropped_LeavesNoDescriptor) {
  run([this]() -> task<> {
    for (int i = 0; i < 600; ++i) (void)folder.with(std::to_string(i), "");
    const auto open_descriptors = [] {
      return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
    };
    const auto before = open_descriptors();
    {
      auto entries = fs::read_directory(folder.path());
      const auto one = co_await entries.next();
      EXPECT_TRUE(one.has_value());
    }

    EXPECT_EQ(open_descriptors(), before);
  });
}

TEST_P(Directory, NulInThePath_IsRefused) {
  using namespace std::string_view_literals;
  EXPECT_THROW((void)fs::read_directory("a\0b"sv), std::invalid_argument);
  EXPECT_THROW((void)fs::walk("a\0b"sv), std::invalid_argument);
}

}  // namespace
}  // namespace weft::testing
