#include "disk.h"
#include <weft/fs/file.h>
#include <weft/runtime/timeout.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using fs::open_flags;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class File : public every_runtime {
 protected:
  scratch_folder folder;
};
INSTANTIATE_TEST_SUITE_P(Runtimes, File, every_kind(), name_of);

constexpr auto new_file = open_flags::read | open_flags::write | open_flags::create;

task<std::string> read_some_of(fs::file& from, std::size_t size) {
  std::string buffer(size, '\0');
  const std::size_t count = co_await from.read_some(buffer);
  buffer.resize(count);
  co_return buffer;
}

task<std::vector<std::string>> lines_of(fs::file& from) {
  std::vector<std::string> all;
  auto lines = from.lines();
  while (auto line = co_await lines.next()) all.push_back(*std::move(line));
  co_return all;
}

// ---- As their blocking twins --------------------------------------------------------------------

TEST_P(File, ReadSome_GoesOnFromThePosition) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder.with("a", "0123456789"));

    const std::string first = co_await read_some_of(file, 4);
    const std::string second = co_await read_some_of(file, 100);
    const std::string end = co_await read_some_of(file, 100);

    EXPECT_EQ(first, "0123");
    EXPECT_EQ(second, "456789");
    EXPECT_EQ(end, "");
  });
}

TEST_P(File, NothingCached_ReadsTheSame) {
  run([this]() -> task<> {
    watched_disk disk;
    disk.forget_everything();
    fs::file file = co_await fs::file::open(folder.with("a", "0123456789"));

    const std::string first = co_await read_some_of(file, 4);
    const std::string second = co_await read_some_of(file, 100);
    const std::string end = co_await read_some_of(file, 100);

    EXPECT_EQ(first + "|" + second + "|" + end, "0123|456789|");
    EXPECT_EQ(disk.calls(call::file_read), 3);
    EXPECT_EQ(disk.calls_on_workers(), 0);
  });
}

TEST_P(File, WriteAll_IsReadBackAfterASeek) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder / "a", new_file);

    co_await file.write_all("abc");
    co_await file.write_all("def");
    const std::uint64_t at = co_await file.seek(2);
    const std::string rest = co_await read_some_of(file, 100);

    EXPECT_EQ(at, 2U);
    EXPECT_EQ(rest, "cdef");
  });
}

TEST_P(File, WriteSome_TellsHowMuch) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder / "a", new_file);

    const std::size_t count = co_await file.write_some("abc");

    EXPECT_EQ(count, 3U);
    EXPECT_EQ(scratch_folder::contents(folder / "a"), "abc");
  });
}

TEST_P(File, Seek_CountsFromBeginPositionAndEnd) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder.with("a", "0123456789"));

    const std::uint64_t from_begin = co_await file.seek(3, SEEK_SET);
    const std::uint64_t from_here = co_await file.seek(2, SEEK_CUR);
    const std::uint64_t from_end = co_await file.seek(-4, SEEK_END);
    const failure before = co_await failure_of(file.seek(-1, SEEK_SET));

    EXPECT_EQ(from_begin, 3U);
    EXPECT_EQ(from_here, 5U);
    EXPECT_EQ(from_end, 6U);
    EXPECT_EQ(before.code, std::errc::invalid_argument);
  });
}

TEST_P(File, ReadAtAndWriteAt_LeaveThePosition) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    co_await file.write_all("0123456789");
    (void)co_await file.seek(1);
    std::array<char, 3> buffer{};

    const std::size_t count = co_await file.read_at(buffer, 4);
    co_await file.write_at("xy", 8);
    const std::string rest = co_await read_some_of(file, 100);

    EXPECT_EQ(std::string_view(buffer.data(), count), "456");
    EXPECT_EQ(rest, "1234567xy");
  });
}

TEST_P(File, OffsetBeyondAllFiles_IsRefused) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    std::array<char, 3> buffer{};

    const failure read = co_await failure_of(file.read_at(buffer, ~std::uint64_t{0}));
    const failure write = co_await failure_of(file.write_at("x", ~std::uint64_t{0}));
    const failure cut = co_await failure_of(file.truncate(~std::uint64_t{0}));

    EXPECT_EQ(read.code, std::errc::invalid_argument);
    EXPECT_EQ(write.code, std::errc::file_too_large);
    EXPECT_EQ(cut.code, std::errc::file_too_large);
  });
}

TEST_P(File, Truncate_CutsAndExtends) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    co_await file.write_all("0123456789");

    co_await file.truncate(3);
    const std::string cut = scratch_folder::contents(folder / "a");
    co_await file.truncate(5);
    const std::string extended = scratch_folder::contents(folder / "a");

    EXPECT_EQ(cut, "012");
    EXPECT_EQ(extended, std::string_view("012\0\0", 5));
  });
}

TEST_P(File, Append_WritesAtTheEnd) {
  run([this]() -> task<> {
    fs::file file =
        co_await fs::file::open(folder.with("a", "begin "), open_flags::append | open_flags::read);

    co_await file.write_all("end");

    EXPECT_EQ(scratch_folder::contents(folder / "a"), "begin end");
  });
}

TEST_P(File, OpenFlags_AreThoseOfTheKernel) {
  run([this]() -> task<> {
    const std::string there = folder.with("a", "old");

    const failure exclusive = co_await failure_of(
        fs::file::open(there, open_flags::write | open_flags::create | open_flags::exclusive));
    fs::file emptied = co_await fs::file::open(there, open_flags::write | open_flags::truncate);
    const failure missing = co_await failure_of(fs::file::open(folder / "b", open_flags::write));
    const failure nothing = co_await failure_of(fs::file::open(there, open_flags::create));
    const failure read_only =
        co_await failure_of(fs::file::open(there, open_flags::read | open_flags::truncate));

    EXPECT_EQ(exclusive.code, std::errc::file_exists);
    EXPECT_EQ(scratch_folder::contents(there), "");
    EXPECT_EQ(missing.code, std::errc::no_such_file_or_directory);
    EXPECT_EQ(nothing.code, std::errc::invalid_argument);
    EXPECT_EQ(read_only.code, std::errc::invalid_argument);
  });
}

TEST_P(File, Descriptor_IsNotInherited) {
  run([this]() -> task<> {
    fs::file read = co_await fs::file::open(folder.with("a", "x"));
    fs::file written = co_await fs::file::open(folder / "b", new_file);

    EXPECT_NE(::fcntl(read.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(written.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
  });
}

TEST_P(File, Stat_TellsSizeAndType) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder.with("a", "12345"));

    const fs::file_stat found = co_await file.stat();

    EXPECT_EQ(found.size, 5U);
    EXPECT_EQ(found.type, std::filesystem::file_type::regular);
    EXPECT_LT(std::chrono::system_clock::now() - found.modified, 1h);
  });
}

TEST_P(File, Sync_ReachesTheDisk) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    co_await file.write_all("x");

    co_await file.sync();

    EXPECT_EQ(disk.calls(call::file_sync), 1);
    EXPECT_EQ(disk.calls_on_workers(), 0);
  });
}

// ---- Lines --------------------------------------------------------------------------------------

TEST_P(File, Lines_ComeWithoutTheirEnds) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder.with("a", "one\ntwo\r\n\nlast"));

    const std::vector<std::string> all = co_await lines_of(file);

    EXPECT_THAT(all, ElementsAre("one", "two", "", "last"));
  });
}

TEST_P(File, Lines_OfAnEmptyFile_AreNone) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder.with("a", ""));

    const std::vector<std::string> all = co_await lines_of(file);

    EXPECT_THAT(all, IsEmpty());
  });
}

TEST_P(File, Lines_LongerThanAnyBuffer_AreWhole) {
  run([this]() -> task<> {
    const std::string longest(300'000, 'x');
    // A "\r\n" across the border of two reads, and one line after it.
    const std::string border(65'535, 'y');
    fs::file file =
        co_await fs::file::open(folder.with("a", border + "\r\n" + longest + "\nend\n"));

    const std::vector<std::string> all = co_await lines_of(file);

    EXPECT_THAT(all, SizeIs(3));
    EXPECT_EQ(all[0], border);
    EXPECT_EQ(all[1], longest);
    EXPECT_EQ(all[2], "end");
  });
}

TEST_P(File, Lines_BeginAtThePosition) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder.with("a", "skipped\nkept\n"));
    (void)co_await file.seek(8);

    const std::vector<std::string> all = co_await lines_of(file);

    EXPECT_THAT(all, ElementsAre("kept"));
  });
}

// ---- Errors -------------------------------------------------------------------------------------

TEST_P(File, Errors_NameOperationAndPath) {
  run([this]() -> task<> {
    watched_disk disk;
    const std::string path = folder.with("a", "x");
    fs::file file = co_await fs::file::open(path, open_flags::read | open_flags::write);
    std::array<char, 3> buffer{};
    disk.forget_everything();
    for (const call which :
         {call::file_read, call::file_write, call::file_sync, call::file_truncate, call::file_stat})
      disk.fail(which, EIO);

    const failure read = co_await failure_of(file.read_some(buffer));
    const failure write = co_await failure_of(file.write_all("x"));
    const failure sync = co_await failure_of(file.sync());
    const failure cut = co_await failure_of(file.truncate(0));
    const failure stat = co_await failure_of(file.stat());
    const failure open = co_await failure_of(fs::file::open(folder / "none"));

    const std::string io = path + ": Input/output error";
    EXPECT_EQ(read.message, "read " + io);
    EXPECT_EQ(write.message, "write " + io);
    EXPECT_EQ(sync.message, "sync " + io);
    EXPECT_EQ(cut.message, "truncate " + io);
    EXPECT_EQ(stat.message, "stat " + io);
    EXPECT_EQ(open.message, "open " + (folder / "none") + ": No such file or directory");
  });
}

TEST_P(File, Error_IsAValueWithoutAnException) {
  run([this]() -> task<> {
    auto outcome = co_await as_result(fs::file::open(folder / "none"));

    EXPECT_EQ(outcome.error_code(), std::errc::no_such_file_or_directory);
  });
}

TEST_P(File, WriteThatIsCutShort_GoesOn) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    const std::string bytes(1'000'000, 'x');

    co_await file.write_all(bytes);
    co_await file.write_at(bytes, 1'000'000);

    EXPECT_EQ(scratch_folder::contents(folder / "a"), bytes + bytes);
  });
}

TEST_P(File, FullDisk_IsAnErrorOfTheWrite) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    disk.fail(call::file_write, ENOSPC);

    const failure write = co_await failure_of(file.write_all("x"));

    EXPECT_EQ(write.code, std::errc::no_space_on_device);
  });
}

TEST_P(File, LateWriteError_IsToldByClose) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    co_await file.write_all("x");
    disk.fail(call::file_close, EIO);

    const failure closed = co_await failure_of(file.close());

    EXPECT_EQ(closed.code, std::errc::io_error);
    EXPECT_FALSE(file.is_open());
  });
}

TEST_P(File, ClosedOrMovedFrom_FailsWithEbadf) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder.with("a", "x"));
    fs::file other = std::move(file);
    std::array<char, 3> buffer{};

    const failure moved = co_await failure_of(
        file.read_some(buffer));  // NOLINT(bugprone-use-after-move): what this is about
    co_await other.close();
    const failure closed = co_await failure_of(other.read_some(buffer));
    const failure twice = co_await failure_of(other.close());

    EXPECT_EQ(moved.code, std::errc::bad_file_descriptor);
    EXPECT_EQ(closed.code, std::errc::bad_file_descriptor);
    EXPECT_EQ(twice.code, std::errc::bad_file_descriptor);
  });
}

TEST_P(File, NulInThePath_IsRefused) {
  using namespace std::string_view_literals;
  EXPECT_THROW((void)fs::file::open("a\0b"sv), std::invalid_argument);
}

TEST_P(File, DirectoryThatIsRead_IsAnError) {
  run([this]() -> task<> {
    fs::file opened = co_await fs::file::open(folder.path());

    const failure read = co_await failure_of(read_some_of(opened, 10));

    EXPECT_EQ(read.code, std::errc::is_a_directory);
  });
}

TEST_P(File, FileSystemThatCannotTellWhatIsCached_IsAskedOnce) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder.with("a", "0123456789"));
    disk.fail(call::file_read_cached, EOPNOTSUPP);

    const std::string first = co_await read_some_of(file, 4);
    const std::string second = co_await read_some_of(file, 4);

    EXPECT_EQ(first + second, "01234567");
    EXPECT_EQ(disk.calls(call::file_read_cached), 1);
    EXPECT_EQ(disk.calls(call::file_read), 2);
  });
}

TEST_P(File, Operation_IsAwaitedOnce) {
  run([this]() -> task<> {
    fs::file file = co_await fs::file::open(folder.with("a", "x"));
    auto stat = file.stat();
    (void)co_await stat;

    const auto again = co_await catch_all(std::move(stat));

    EXPECT_TRUE(again.threw<invalid_state_error>());
  });
}

// ---- Never on a worker --------------------------------------------------------------------------

TEST_P(File, Operations_NeverRunOnAWorker) {
  run([this]() -> task<> {
    watched_disk disk;
    disk.forget_everything();
    {
      fs::file file = co_await fs::file::open(folder / "a", new_file);
      co_await file.write_all("0123456789");
      (void)co_await file.write_some("x");
      co_await file.write_at("y", 0);
      co_await file.sync();
      co_await file.truncate(5);
      (void)co_await file.stat();
      (void)co_await file.seek(0);
      (void)co_await lines_of(file);
      fs::file closed = co_await fs::file::open(folder / "a");
      co_await closed.close();
    }
    co_await disk.until_called(call::file_read, 2);

    EXPECT_EQ(disk.calls_on_workers(), 0);
    EXPECT_EQ(disk.calls(call::file_open), 2);
  });
}

TEST_P(File, SlowDisk_StallsNobodyElse) {
  run([this]() -> task<> {
    watched_disk disk;
    disk.forget_everything();
    fs::file file = co_await fs::file::open(folder.with("a", "late"));
    disk.hold(call::file_read);
    auto slow = spawn(read_some_of(file, 10));
    co_await disk.until_held(1);

    for (int turn = 0; turn < 100; ++turn) co_await yield();
    const bool done_meanwhile = slow.done();
    disk.release(call::file_read);
    const std::string got = co_await slow;

    EXPECT_FALSE(done_meanwhile);
    EXPECT_EQ(got, "late");
  });
}

TEST_P(File, DestroyedFile_IsClosedByAnotherThread) {
  run([this]() -> task<> {
    const std::int64_t before = take_ledger().fds;
    std::optional<fs::file> file = co_await fs::file::open(folder.with("a", "x"));
    EXPECT_EQ(take_ledger().fds, before + 1);

    file.reset();

    while (take_ledger().fds != before) co_await yield();
  });
}

TEST(FileWithoutRuntime, Destroyed_IsClosedAtOnce) {
  const scratch_folder folder;
  const std::string path = folder.with("a", "x");
  auto open = [&]() -> task<fs::file> { co_return co_await fs::file::open(path); };
  {
    const fs::file file = weft::run(open(), {.workers = 1});
    EXPECT_TRUE(file.is_open());
    EXPECT_EQ(take_ledger().fds, 1);
  }
  EXPECT_EQ(take_ledger().fds, 0);
}

TEST_P(File, ThatNobodyTakes_IsClosed) {
  run([this]() -> task<> {
    auto opening = spawn(fs::file::open(folder.with("a", "x")));
    co_await until_waiting(opening);
    opening.detach();
  });
}

// ---- One after the other ------------------------------------------------------------------------

TEST_P(File, ConcurrentWrites_AreCarriedOutInTheOrderOfTheirAwaits) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    disk.hold(call::file_write);
    const std::array<std::string, 10> texts{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    std::vector<join_handle<>> writers;
    for (const std::string& text : texts) {
      writers.push_back(spawn(file.write_all(text)));
      co_await until_waiting(writers.back());
    }
    co_await disk.until_held(1);

    EXPECT_EQ(disk.calls(call::file_write), 1);
    disk.release(call::file_write);
    co_await gather(writers);

    EXPECT_EQ(scratch_folder::contents(folder / "a"), "0123456789");
  });
}

TEST_P(File, ConcurrentReads_ShareThePositionWithoutLossOrRepetition) {
  run([this]() -> task<> {
    std::string bytes;
    for (int i = 0; i < 1000; ++i) bytes += std::to_string(1000 + i);
    fs::file file = co_await fs::file::open(folder.with("a", bytes));
    std::vector<task<std::string>> readers;
    for (int i = 0; i < 1000; ++i) readers.push_back(read_some_of(file, 4));

    std::vector<std::string> pieces = co_await gather(std::move(readers));
    std::sort(pieces.begin(), pieces.end());
    std::string sorted;
    for (const std::string& piece : pieces) sorted += piece;

    EXPECT_EQ(sorted, bytes);
  });
}

TEST_P(File, CachedRead_DoesNotOvertakeAWriteThatIsOnItsWay) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    co_await file.write_all("old");
    disk.hold(call::file_write);
    auto write = spawn(file.write_at("new", 0));
    co_await disk.until_held(1);
    std::array<char, 3> buffer{};
    auto read = spawn(file.read_at(buffer, 0));
    co_await until_waiting(read);

    const int read_early = disk.calls(call::file_read_cached);
    disk.release(call::file_write);
    co_await write;
    (void)co_await read;

    EXPECT_EQ(read_early, 0);
    EXPECT_EQ(std::string_view(buffer.data(), 3), "new");
  });
}

TEST_P(File, OtherFiles_DoNotWait) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file slow = co_await fs::file::open(folder / "a", new_file);
    fs::file quick = co_await fs::file::open(folder.with("b", "quick"));
    disk.hold(call::file_write);
    auto write = spawn(slow.write_all("x"));
    co_await disk.until_held(1);
    disk.forget_everything();

    const std::string got = co_await read_some_of(quick, 10);
    disk.release(call::file_write);
    co_await write;

    EXPECT_EQ(got, "quick");
  });
}

// ---- Cancellation -------------------------------------------------------------------------------

TEST_P(File, CancelledWhileItRuns_IsCarriedOutAndTheRequestStays) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    disk.hold(call::file_write);
    bool returned = false;
    bool delivered_later = false;
    auto write = spawn([&]() -> task<> {
      co_await file.write_all("whole");
      returned = true;
      try {
        co_await yield();
      } catch (const cancelled_error&) {
        delivered_later = true;
      }
    });
    co_await disk.until_held(1);

    write.cancel();
    for (int turn = 0; turn < 20; ++turn) co_await yield();
    const bool ended_early = write.done();
    disk.release(call::file_write);
    co_await write;
    const std::uint64_t position = co_await file.seek(0, SEEK_CUR);

    EXPECT_FALSE(ended_early);
    EXPECT_TRUE(returned);
    EXPECT_TRUE(delivered_later);
    EXPECT_EQ(position, 5U);
    EXPECT_EQ(scratch_folder::contents(folder / "a"), "whole");
  });
}

TEST_P(File, OperationAfterACancelledOne_WaitsForItsSystemCall) {
  run([this]() -> task<> {
    watched_disk disk;
    disk.forget_everything();
    fs::file file = co_await fs::file::open(folder.with("a", "0123456789"));
    disk.hold(call::file_read);
    auto first = spawn(read_some_of(file, 4));
    co_await disk.until_held(1);
    first.cancel();
    auto second = spawn(read_some_of(file, 4));
    co_await until_waiting(second);

    const int calls = disk.calls(call::file_read);
    disk.release(call::file_read);
    const std::string one = co_await first;
    const std::string two = co_await second;

    EXPECT_EQ(calls, 1);
    EXPECT_EQ(one, "0123");
    EXPECT_EQ(two, "4567");
  });
}

TEST_P(File, CancelledInTheQueue_DoesNothing) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    disk.hold(call::file_write);
    auto first = spawn(file.write_all("1"));
    co_await disk.until_held(1);
    auto second = spawn(file.write_all("2"));
    co_await until_waiting(second);
    auto third = spawn(file.write_all("3"));
    co_await until_waiting(third);

    second.cancel();
    const ending ended = co_await end_of(second);
    disk.release(call::file_write);
    co_await first;
    co_await third;

    EXPECT_EQ(ended, ending::cancelled);
    EXPECT_EQ(scratch_folder::contents(folder / "a"), "13");
    EXPECT_EQ(disk.calls(call::file_write), 2);
  });
}

TEST_P(File, CancelledBeforeItIsAwaited_SendsNothing) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::file file = co_await fs::file::open(folder / "a", new_file);
    auto write = spawn([&]() -> task<> {
      cancel_this_task();
      co_await file.write_all("x");
    });

    const ending ended = co_await end_of(write);

    EXPECT_EQ(ended, ending::cancelled);
    EXPECT_EQ(disk.calls(call::file_write), 0);
  });
}

TEST_P(File, CancellationThatHitsTheClose_LeavesNoDescriptor) {
  run([this]() -> task<> {
    watched_disk disk;
    const std::int64_t before = take_ledger().fds;
    for (const bool running : {true, false}) {
      auto owner = spawn([&]() -> task<> {
        fs::file file = co_await fs::file::open(folder / "a", new_file);
        if (!running) cancel_this_task();
        co_await file.close();
        co_await yield();
      });
      if (running) {
        disk.hold(call::file_close);
        co_await disk.until_held(1);
        owner.cancel();
        disk.release(call::file_close);
      }

      const ending ended = co_await end_of(owner);

      EXPECT_EQ(ended, ending::cancelled);
      while (take_ledger().fds != before) co_await yield();
    }
  });
}

TEST_P(File, TimeLimit_DoesNotCutAnOperationShort) {
  run([this]() -> task<> {
    watched_disk disk;
    disk.forget_everything();
    fs::file file = co_await fs::file::open(folder.with("a", "0123456789"));
    disk.hold(call::file_read);
    auto limited = spawn([&]() -> task<std::string> {
      deadline limit{1h};
      co_return co_await read_some_of(file, 4);
    });
    co_await disk.until_held(1);
    disk.release(call::file_read);

    const std::string got = co_await limited;

    EXPECT_EQ(got, "0123");
  });
}

}  // namespace
}  // namespace weft::testing
