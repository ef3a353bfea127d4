#include "disk.h"
#include <weft/fs/whole_file.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

namespace weft::testing {
namespace {

class WholeFile : public every_runtime {
 protected:
  scratch_folder folder;
};
INSTANTIATE_TEST_SUITE_P(Runtimes, WholeFile, every_kind(), name_of);

/// As a gather would take it: the path is gone when the operation is awaited.
auto read_below(const scratch_folder& folder, std::string_view name) {
  return fs::read_file(folder / name);
}

// ---- Reading ------------------------------------------------------------------------------------

TEST_P(WholeFile, ReadFile_GivesAllBytes) {
  run([this]() -> task<> {
    watched_disk disk;
    for (const std::size_t size : {0U, 1U, 4096U, 131'072U, 131'073U, 1'000'000U}) {
      const std::string bytes(size, 'x');
      const std::string path = folder.with("a", bytes);

      disk.fail(call::file_open_cached, 0);
      disk.fail(call::file_read_cached, 0);
      const std::string cached = co_await fs::read_file(path);
      disk.fail(call::file_read_cached, EAGAIN);
      const std::string half_cached = co_await fs::read_file(path);
      disk.forget_everything();
      const std::string uncached = co_await fs::read_file(path);

      EXPECT_EQ(cached, bytes);
      EXPECT_EQ(half_cached, bytes);
      EXPECT_EQ(uncached, bytes);
    }
    EXPECT_EQ(disk.calls_on_workers(), 0);
  });
}

TEST_P(WholeFile, SmallCachedFile_NeedsNoThread) {
  run([this]() -> task<> {
    const std::string path = folder.with("a", "hello");
    watched_disk disk;
    const std::string once = co_await fs::read_file(path);  // now its name is known

    const std::string again = co_await fs::read_text(path);

    EXPECT_EQ(once, "hello");
    EXPECT_EQ(again, "hello");
    // Not where the file system cannot tell what is cached.
    if (disk.calls(call::file_read_cached) > 0 && disk.calls(call::file_open) == 0) {
      EXPECT_EQ(runtime::current().metrics().blocking_threads, 0U);
    }
  });
}

TEST_P(WholeFile, FileThatPretendsToBeEmpty_IsRead) {
  run([]() -> task<> {
    const std::string status = co_await fs::read_file("/proc/self/status");
    std::array<char, 5> begin{};
    const std::size_t count = co_await fs::read_into("/proc/self/status", begin);

    EXPECT_TRUE(status.starts_with("Name:"));
    EXPECT_EQ(std::string_view(begin.data(), count), "Name:");
  });
}

TEST_P(WholeFile, PathThatIsGone_WasCopied) {
  run([this]() -> task<> {
    (void)folder.with("a", "1");
    (void)folder.with("b", "2");
    auto first = read_below(folder, "a");
    auto second = read_below(folder, "b");

    auto [one, two] = co_await gather(std::move(first), std::move(second));

    EXPECT_EQ(one + two, "12");
  });
}

TEST_P(WholeFile, ReadInto_FillsWhatThereIsRoomFor) {
  run([this]() -> task<> {
    watched_disk disk;
    const std::string path = folder.with("a", "0123456789");
    for (const int error : {0, EAGAIN}) {
      disk.fail(call::file_open_cached, error);
      std::array<char, 4> small{};
      std::array<char, 20> large{};
      std::array<char, 10> exact{};

      const std::size_t part = co_await fs::read_into(path, small);
      const std::size_t all = co_await fs::read_into(path, large);
      const std::size_t same = co_await fs::read_into(path, exact);

      EXPECT_EQ(std::string_view(small.data(), part), "0123");
      EXPECT_EQ(std::string_view(large.data(), all), "0123456789");
      EXPECT_EQ(std::string_view(exact.data(), same), "0123456789");
    }
  });
}

TEST_P(WholeFile, ReadErrors_NameCallAndPath) {
  run([this]() -> task<> {
    watched_disk disk;
    const failure missing = co_await failure_of(fs::read_file(folder / "none"));
    const failure directory = co_await failure_of(fs::read_file(folder.path()));
    disk.forget_everything();
    disk.fail(call::file_read, EIO);
    const std::string path = folder.with("a", "x");
    const failure broken = co_await failure_of(fs::read_file(path));

    EXPECT_EQ(missing.message, "open " + (folder / "none") + ": No such file or directory");
    EXPECT_EQ(directory.message, "read " + folder.path().string() + ": Is a directory");
    EXPECT_EQ(broken.message, "read " + path + ": Input/output error");
  });
}

TEST_P(WholeFile, NulInThePath_IsRefused) {
  using namespace std::string_view_literals;
  EXPECT_THROW((void)fs::read_file("a\0b"sv), std::invalid_argument);
  EXPECT_THROW((void)fs::write_file("a\0b"sv, ""), std::invalid_argument);
  EXPECT_THROW((void)fs::copy_file("a", "a\0b"sv), std::invalid_argument);
}

TEST_P(WholeFile, CancelledWhileItWaitsForAThread_LeavesNothing) {
  run([this]() -> task<> {
    watched_disk disk;
    disk.forget_everything();
    const std::string path = folder.with("a", "x");
    disk.hold(call::file_read);
    auto reading = spawn(fs::read_file(path));
    co_await disk.until_held(1);
    reading.cancel();
    disk.release(call::file_read);

    const std::string got = co_await reading;

    EXPECT_EQ(got, "x");  // it had begun
  });
}

// ---- Writing ------------------------------------------------------------------------------------

TEST_P(WholeFile, WriteFile_MakesAndReplaces) {
  run([this]() -> task<> {
    const std::string path = folder / "a";
    for (const bool atomic : {false, true}) {
      co_await fs::write_file(path, "a long text", {.atomic = atomic});
      const std::string first = scratch_folder::contents(path);
      co_await fs::write_file(path, "short", {.atomic = atomic});

      EXPECT_EQ(first, "a long text");
      EXPECT_EQ(scratch_folder::contents(path), "short");
    }
    EXPECT_EQ(folder.entries(), 1);
  });
}

TEST_P(WholeFile, WriteErrors_NameThePath) {
  run([this]() -> task<> {
    const std::string path = folder / "none/a";

    const failure plain = co_await failure_of(fs::write_file(path, "x"));
    const failure atomic = co_await failure_of(fs::write_file(path, "x", {.atomic = true}));

    EXPECT_EQ(plain.message, "write " + path + ": No such file or directory");
    EXPECT_EQ(atomic.message, plain.message);
  });
}

TEST_P(WholeFile, AtomicWriteThatFails_LeavesTheOldFileAndNoOther) {
  run([this]() -> task<> {
    watched_disk disk;
    const std::string path = folder.with("a", "old");
    for (const call which : {call::file_write, call::file_sync, call::file_close}) {
      disk.fail(which, ENOSPC);

      const failure write = co_await failure_of(fs::write_file(path, "new", {.atomic = true}));
      disk.fail(which, 0);

      EXPECT_EQ(write.code, std::errc::no_space_on_device);
      EXPECT_EQ(scratch_folder::contents(path), "old");
      EXPECT_EQ(folder.entries(), 1);
    }
  });
}

TEST_P(WholeFile, AtomicWrite_IsOnTheDiskBeforeItTakesTheName) {
  run([this]() -> task<> {
    watched_disk disk;
    const std::string path = folder.with("a", "old");
    disk.hold(call::file_sync);
    auto write = spawn(fs::write_file(path, "new", {.atomic = true}));
    co_await disk.until_held(1);

    const std::string meanwhile = scratch_folder::contents(path);
    disk.release(call::file_sync);
    co_await write;

    EXPECT_EQ(meanwhile, "old");
    EXPECT_EQ(scratch_folder::contents(path), "new");
    EXPECT_EQ(disk.calls(call::file_sync), 2);  // the file, then its folder
    EXPECT_EQ(disk.calls_on_workers(), 0);
  });
}

TEST_P(WholeFile, AtomicWrite_KeepsThePermissions) {
  run([this]() -> task<> {
    const std::string path = folder.with("a", "old");
    std::filesystem::permissions(path, std::filesystem::perms(0640));

    co_await fs::write_file(path, "new", {.atomic = true});

    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0640));
  });
}

TEST_P(WholeFile, AtomicWriteOfASecret_IsOneFromTheBeginning) {
  run([this]() -> task<> {
    watched_disk disk;
    const std::string path = folder.with("a", "old");
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    disk.hold(call::path_change);
    auto write = spawn(fs::write_file(path, "new", {.atomic = true}));
    co_await disk.until_held(1);  // the new file has no permissions of the old one yet

    for (const auto& each : std::filesystem::directory_iterator(folder.path()))
      EXPECT_EQ(each.status().permissions(), std::filesystem::perms(0600)) << each.path();
    EXPECT_EQ(folder.entries(), 2);

    disk.release(call::path_change);
    co_await write;
  });
}

TEST_P(WholeFile, NewFile_HasTheModeThatTheUmaskLeaves) {
  run([this]() -> task<> {
    co_await fs::write_file(folder / "plain", "x");
    co_await fs::write_file(folder / "atomic", "x", {.atomic = true});
    const mode_t mask = ::umask(0);
    ::umask(mask);

    const auto expected = std::filesystem::perms(0666 & ~mask);
    EXPECT_EQ(std::filesystem::status(folder / "plain").permissions(), expected);
    EXPECT_EQ(std::filesystem::status(folder / "atomic").permissions(), expected);
  });
}

// ---- Copying ------------------------------------------------------------------------------------

TEST_P(WholeFile, CopyFile_CopiesContentsAndPermissions) {
  run([this]() -> task<> {
    const std::string bytes(1'000'000, 'x');
    const std::string from = folder.with("a", bytes);
    const std::string to = folder.with("b", bytes + "more than that");
    std::filesystem::permissions(from, std::filesystem::perms(0600));

    co_await fs::copy_file(from, to);

    EXPECT_EQ(scratch_folder::contents(to), bytes);
    EXPECT_EQ(std::filesystem::status(to).permissions(), std::filesystem::perms(0600));
  });
}

TEST_P(WholeFile, CopyOfAFileThatPretendsToBeEmpty_HasItsContents) {
  run([this]() -> task<> {
    co_await fs::copy_file("/proc/self/status", folder / "a");

    EXPECT_TRUE(scratch_folder::contents(folder / "a").starts_with("Name:"));
  });
}

TEST_P(WholeFile, CopyOntoItself_IsRefusedAndHarmless) {
  run([this]() -> task<> {
    const std::string path = folder.with("a", "kept");

    const failure copy = co_await failure_of(fs::copy_file(path, path));

    EXPECT_EQ(copy.message, "copy " + path + " to " + path + ": Invalid argument");
    EXPECT_EQ(scratch_folder::contents(path), "kept");
  });
}

}  // namespace
}  // namespace weft::testing
