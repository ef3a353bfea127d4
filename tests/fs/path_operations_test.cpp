#include "disk.h"
#include <weft/fs/path_operations.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class PathOperations : public every_runtime {
 protected:
  scratch_folder folder;
};
INSTANTIATE_TEST_SUITE_P(Runtimes, PathOperations, every_kind(), name_of);

TEST_P(PathOperations, Stat_TellsWhatItIs) {
  run([this]() -> task<> {
    const std::string path = folder.with("a", "12345");
    std::filesystem::permissions(path, std::filesystem::perms(0640));
    std::filesystem::create_symlink(path, folder / "link");

    const fs::file_stat file = co_await fs::stat(path);
    const fs::file_stat linked = co_await fs::stat(folder / "link");
    const fs::file_stat directory = co_await fs::stat(folder.path());

    EXPECT_EQ(file.size, 5U);
    EXPECT_TRUE(file.is_file());
    EXPECT_EQ(file.permissions, std::filesystem::perms(0640));
    EXPECT_LT(std::chrono::system_clock::now() - file.modified, 1h);
    EXPECT_TRUE(linked.is_file());
    EXPECT_TRUE(directory.is_directory());
  });
}

TEST_P(PathOperations, Exists_IsAnAnswerAndNoError) {
  run([this]() -> task<> {
    const std::string path = folder.with("a", "x");

    const bool there = co_await fs::exists(path);
    const bool missing = co_await fs::exists(folder / "none");
    const bool below_a_file = co_await fs::exists(path + "/below");

    EXPECT_TRUE(there);
    EXPECT_FALSE(missing);
    EXPECT_FALSE(below_a_file);
  });
}

TEST_P(PathOperations, Rename_ReplacesTheTarget) {
  run([this]() -> task<> {
    const std::string from = folder.with("a", "new");
    const std::string to = folder.with("b", "old");

    co_await fs::rename(from, to);

    EXPECT_EQ(scratch_folder::contents(to), "new");
    EXPECT_EQ(folder.entries(), 1);
  });
}

TEST_P(PathOperations, Remove_TakesFilesAndEmptyDirectories) {
  run([this]() -> task<> {
    std::filesystem::create_directories(folder.path() / "full/inner");

    co_await fs::remove(folder.with("a", "x"));
    const failure full = co_await failure_of(fs::remove(folder / "full"));
    co_await fs::remove(folder / "full/inner");
    co_await fs::remove(folder / "full");

    EXPECT_EQ(full.code, std::errc::directory_not_empty);
    EXPECT_EQ(folder.entries(), 0);
  });
}

TEST_P(PathOperations, CreateDirectories_MakesAllThatAreMissing) {
  run([this]() -> task<> {
    co_await fs::create_directories(folder / "a/b//c/");
    co_await fs::create_directories(folder / "a/b/c");
    co_await fs::create_directories(folder / "d");
    const std::string file = folder.with("file", "x");
    const failure below_a_file = co_await failure_of(fs::create_directories(file + "/e/f"));
    const failure is_a_file = co_await failure_of(fs::create_directories(file));
    const failure empty = co_await failure_of(fs::create_directories(""));

    EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
    EXPECT_TRUE(std::filesystem::is_directory(folder / "d"));
    EXPECT_EQ(below_a_file.code, std::errc::not_a_directory);
    EXPECT_EQ(is_a_file.code, std::errc::not_a_directory);
    EXPECT_EQ(empty.code, std::errc::no_such_file_or_directory);
  });
}

TEST_P(PathOperations, Errors_NameOperationAndPaths) {
  run([this]() -> task<> {
    const std::string none = folder / "none";
    const std::string end = ": No such file or directory";

    const failure stat = co_await failure_of(fs::stat(none));
    const failure rename = co_await failure_of(fs::rename(none, folder / "b"));
    const failure remove = co_await failure_of(fs::remove(none));

    EXPECT_EQ(stat.message, "stat " + none + end);
    EXPECT_EQ(rename.message, "rename " + none + " to " + (folder / "b") + end);
    EXPECT_EQ(remove.message, "remove " + none + end);
  });
}

TEST_P(PathOperations, None_RunsOnAWorker) {
  run([this]() -> task<> {
    watched_disk disk;
    co_await fs::create_directories(folder / "a/b");
    co_await fs::rename(folder / "a/b", folder / "a/c");
    (void)co_await fs::stat(folder / "a/c");
    (void)co_await fs::exists(folder / "a/c");
    co_await fs::remove(folder / "a/c");

    EXPECT_GE(disk.calls(call::path_change), 4);
    EXPECT_EQ(disk.calls_on_workers(), 0);
  });
}

}  // namespace
}  // namespace weft::testing
