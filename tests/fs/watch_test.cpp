#include "disk.h"
#include <weft/fs/watch.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

using fs::change_kind;

/// Not on the virtual clock: the kernel tells what has changed.
class Watch : public ::testing::TestWithParam<std::size_t> {
 protected:
  scratch_folder folder;
  template <class F>
  void run(F body) {
    weft::run(std::move(body), {.workers = GetParam()});
  }
  task<fs::change> next(fs::watcher& from) const {
    auto change = co_await from.next();
    EXPECT_TRUE(change.has_value());
    co_return change.value_or(fs::change{});
  }
};
INSTANTIATE_TEST_SUITE_P(Workers, Watch, ::testing::Values(1, 4));

TEST_P(Watch, ChangesInADirectory_ComeInOrder) {
  run([this]() -> task<> {
    fs::watcher watcher = co_await fs::watch(folder.path());

    (void)folder.with("a", "x");
    std::filesystem::rename(folder / "a", folder / "b");
    std::filesystem::remove(folder / "b");
    const fs::change created = co_await next(watcher);
    const fs::change modified = co_await next(watcher);
    const fs::change away = co_await next(watcher);
    const fs::change here = co_await next(watcher);
    const fs::change removed = co_await next(watcher);

    EXPECT_EQ(created.kind, change_kind::created);
    EXPECT_EQ(created.name, "a");
    EXPECT_EQ(modified.kind, change_kind::modified);
    EXPECT_EQ(modified.name, "a");
    EXPECT_EQ(away.kind, change_kind::renamed_away);
    EXPECT_EQ(away.name, "a");
    EXPECT_EQ(here.kind, change_kind::renamed_here);
    EXPECT_EQ(here.name, "b");
    EXPECT_EQ(removed.kind, change_kind::removed);
    EXPECT_EQ(removed.name, "b");
  });
}

TEST_P(Watch, NothingHappens_WaitsWithoutAThread) {
  run([this]() -> task<> {
    fs::watcher watcher = co_await fs::watch(folder.path());
    auto waiting = spawn(next(watcher));
    co_await until_waiting(waiting);

    const bool early = waiting.done();
    std::filesystem::create_directory(folder / "late");
    const fs::change late = co_await waiting;

    EXPECT_FALSE(early);
    EXPECT_EQ(late.name, "late");
    EXPECT_EQ(late.kind, change_kind::created);
  });
}

TEST_P(Watch, WatchedFileThatIsRemoved_EndsIt) {
  run([this]() -> task<> {
    const std::string path = folder.with("a", "x");
    fs::watcher watcher = co_await fs::watch(path);
    std::filesystem::remove(path);

    std::vector<change_kind> kinds;
    std::optional<fs::change> change = co_await watcher.next();
    while (change) {
      EXPECT_EQ(change->name, "");
      kinds.push_back(change->kind);
      change = co_await watcher.next();
    }
    const auto after_the_end = co_await watcher.next();

    EXPECT_EQ(kinds.back(), change_kind::removed);
    EXPECT_FALSE(after_the_end.has_value());
  });
}

TEST_P(Watch, MoreChangesThanABufferHolds_AllCome) {
  run([this]() -> task<> {
    fs::watcher watcher = co_await fs::watch(folder.path());
    for (int i = 0; i < 500; ++i) std::filesystem::create_directory(folder / std::to_string(i));

    for (int i = 0; i < 500; ++i) {
      const fs::change each = co_await next(watcher);
      EXPECT_EQ(each.name, std::to_string(i));
    }
  });
}

TEST_P(Watch, PathThatIsMissing_IsNamed) {
  run([this]() -> task<> {
    const failure watch = co_await failure_of(fs::watch(folder / "none"));

    EXPECT_EQ(watch.message, "watch " + (folder / "none") + ": No such file or directory");
  });
}

TEST_P(Watch, NoMoreWatches_IsAnError) {
  run([this]() -> task<> {
    watched_disk disk;
    disk.fail(call::watch_create, EMFILE);

    const failure watch = co_await failure_of(fs::watch(folder.path()));

    EXPECT_EQ(watch.code, std::errc::too_many_files_open);
  });
}

}  // namespace
}  // namespace weft::testing
