#include "cancellation_matrix.h"

#include "disk.h"
#include "replaced_descriptor.h"
#include <weft/fs/directory.h>
#include <weft/fs/file.h>
#include <weft/fs/path_operations.h>
#include <weft/fs/stdio.h>
#include <weft/fs/temp.h>
#include <weft/fs/watch.h>
#include <weft/fs/whole_file.h>
#include <weft/runtime/to_thread.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <latch>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace weft::testing {
namespace {

/// Waits in a line, and can leave it.
constexpr case_traits ends_early{
    .completed_in_one_step = false, .has_virtual_time = false, .rounds = 60};
/// On a thread that nobody can stop.
constexpr case_traits goes_on{.ends_when_cancelled = false,
                              .completed_in_one_step = false,
                              .has_virtual_time = false,
                              .rounds = 60};
constexpr case_traits over_at_once{.waits = false, .has_virtual_time = false, .rounds = 40};

// ---- Behind another operation on the same file --------------------------------------------------

/// A write of "first" stands still; what is attempted comes after it, or never.
struct behind_a_write {
  static constexpr case_traits traits = ends_early;
  scratch_folder folder;
  watched_disk disk;
  std::string path = folder / "a";
  std::optional<fs::file> file;
  join_handle<> first;

  task<> set_up() {
    using enum fs::open_flags;
    file.emplace(co_await fs::file::open(path, read | write | create));
    disk.hold(call::file_write);
    first = spawn(file->write_all("first"));
    co_await disk.until_held(1);
  }
  void complete() { disk.release(call::file_write); }
  /// What the file holds in the end.
  task<std::string> contents() {
    co_await first;
    co_return scratch_folder::contents(path);
  }
  task<std::uint64_t> position() {
    co_await first;
    const std::uint64_t at = co_await file->seek(0, SEEK_CUR);
    co_return at;
  }
};

struct queued_write_all : behind_a_write {
  task<> attempt(auto how) { co_await how(file->write_all("|next")); }
  task<> check(bool completed) {
    const std::string all = co_await contents();
    EXPECT_EQ(all, completed ? "first|next" : "first");
  }
};

struct queued_write_some : behind_a_write {
  task<> attempt(auto how) {
    const std::size_t count = co_await how(file->write_some("|next"));
    EXPECT_EQ(count, 5U);
  }
  task<> check(bool completed) {
    const std::string all = co_await contents();
    EXPECT_EQ(all, completed ? "first|next" : "first");
  }
};

struct queued_write_at : behind_a_write {
  task<> attempt(auto how) { co_await how(file->write_at("F", 0)); }
  task<> check(bool completed) {
    const std::string all = co_await contents();
    EXPECT_EQ(all, completed ? "First" : "first");
  }
};

struct queued_read_some : behind_a_write {
  std::string got;

  task<> set_up() {
    co_await behind_a_write::set_up();
    std::ofstream(path) << "0123456789";  // "first" will replace the first half
  }
  task<> attempt(auto how) {
    std::array<char, 3> buffer{};
    const std::size_t count = co_await how(file->read_some(buffer));
    got.assign(buffer.data(), count);
  }
  task<> check(bool completed) {
    EXPECT_EQ(got, completed ? "567" : "");
    const std::uint64_t at = co_await position();
    EXPECT_EQ(at, completed ? 8U : 5U);
  }
};

struct queued_read_at : behind_a_write {
  std::string got;

  task<> attempt(auto how) {
    std::array<char, 3> buffer{};
    const std::size_t count = co_await how(file->read_at(buffer, 0));
    got.assign(buffer.data(), count);
  }
  task<> check(bool completed) {
    EXPECT_EQ(got, completed ? "fir" : "");
    const std::uint64_t at = co_await position();
    EXPECT_EQ(at, 5U);
  }
};

struct queued_seek : behind_a_write {
  task<> attempt(auto how) {
    const std::uint64_t at = co_await how(file->seek(2));
    EXPECT_EQ(at, 2U);
  }
  task<> check(bool completed) {
    const std::uint64_t at = co_await position();
    EXPECT_EQ(at, completed ? 2U : 5U);
  }
};

struct queued_truncate : behind_a_write {
  task<> attempt(auto how) { co_await how(file->truncate(1)); }
  task<> check(bool completed) {
    const std::string all = co_await contents();
    EXPECT_EQ(all, completed ? "f" : "first");
  }
};

struct queued_sync : behind_a_write {
  task<> attempt(auto how) { co_await how(file->sync()); }
  task<> check(bool completed) {
    co_await first;
    EXPECT_EQ(disk.calls(call::file_sync), completed ? 1 : 0);
  }
};

struct queued_stat : behind_a_write {
  std::optional<fs::file_stat> got;

  task<> attempt(auto how) { got = co_await how(file->stat()); }
  task<> check(bool completed) {
    co_await first;
    EXPECT_EQ(got.has_value(), completed);
    if (got) EXPECT_EQ(got->size, 5U);
  }
};

/// Open or closed; in the end no descriptor is left.
struct queued_close : behind_a_write {
  task<> attempt(auto how) { co_await how(file->close()); }
  task<> check(bool completed) {
    co_await first;
    EXPECT_EQ(file->is_open(), !completed);
  }
};

struct queued_lines : behind_a_write {
  std::optional<std::string> got;

  task<> set_up() {
    co_await behind_a_write::set_up();
    std::ofstream(path) << "01234line\nrest";
  }
  task<> attempt(auto how) {
    auto lines = file->lines();
    got = co_await how(lines.next());
  }
  task<> check(bool completed) {
    EXPECT_EQ(got, completed ? std::optional<std::string>("line") : std::nullopt);
    co_await first;
  }
};

// ---- On a thread of the pool --------------------------------------------------------------------

/// The first system call of this kind stands still. If a job has begun it is carried out.
struct on_the_pool {
  static constexpr case_traits traits = goes_on;
  scratch_folder folder;
  watched_disk disk;
  call where = call::file_open;

  explicit on_the_pool(call which = call::file_open) : where(which) {}
  task<> set_up() {
    disk.forget_everything();
    disk.hold(where);
    co_return;
  }
  void complete() { disk.release(where); }
};

struct open_file : on_the_pool {
  std::string path = folder.with("a", "x");
  std::optional<fs::file> got;

  task<> attempt(auto how) { got.emplace(co_await how(fs::file::open(path))); }
  void check(bool completed) { EXPECT_EQ(got.has_value(), completed); }
};

struct read_whole_file : on_the_pool {
  std::string path = folder.with("a", "bytes");
  std::string got;

  task<> attempt(auto how) { got = co_await how(fs::read_file(path)); }
  void check(bool completed) { EXPECT_EQ(got, completed ? "bytes" : ""); }
};

struct read_into_buffer : on_the_pool {
  std::string path = folder.with("a", "bytes");
  std::array<char, 5> buffer{};

  task<> attempt(auto how) {
    const std::size_t count = co_await how(fs::read_into(path, buffer));
    EXPECT_EQ(count, 5U);
  }
  void check(bool completed) {
    EXPECT_EQ(std::string_view(buffer.data(), 5),
              completed ? std::string_view("bytes") : std::string_view("\0\0\0\0\0", 5));
  }
};

struct write_whole_file : on_the_pool {
  std::string path = folder.with("a", "old");

  task<> attempt(auto how) { co_await how(fs::write_file(path, "new")); }
  void check(bool completed) {
    EXPECT_EQ(scratch_folder::contents(path), completed ? "new" : "old");
  }
};

struct write_atomically : on_the_pool {
  std::string path = folder.with("a", "old");

  task<> attempt(auto how) { co_await how(fs::write_file(path, "new", {.atomic = true})); }
  void check(bool completed) {
    EXPECT_EQ(scratch_folder::contents(path), completed ? "new" : "old");
    EXPECT_EQ(folder.entries(), 1);
  }
};

struct copy_whole_file : on_the_pool {
  std::string from = folder.with("a", "bytes");
  std::string to = folder / "b";

  task<> attempt(auto how) { co_await how(fs::copy_file(from, to)); }
  void check(bool completed) { EXPECT_EQ(scratch_folder::contents(to), completed ? "bytes" : ""); }
};

struct stat_path : on_the_pool {
  std::string path = folder.with("a", "bytes");
  std::optional<fs::file_stat> got;

  stat_path() : on_the_pool(call::file_stat) {}
  task<> attempt(auto how) { got = co_await how(fs::stat(path)); }
  void check(bool completed) { EXPECT_EQ(got.has_value(), completed); }
};

struct exists_path : on_the_pool {
  std::string path = folder.with("a", "bytes");
  bool got = false;

  exists_path() : on_the_pool(call::file_stat) {}
  task<> attempt(auto how) { got = co_await how(fs::exists(path)); }
  void check(bool completed) { EXPECT_EQ(got, completed); }
};

struct rename_path : on_the_pool {
  std::string from = folder.with("a", "x");

  rename_path() : on_the_pool(call::path_change) {}
  task<> attempt(auto how) { co_await how(fs::rename(from, folder / "b")); }
  void check(bool completed) { EXPECT_EQ(std::filesystem::exists(from), !completed); }
};

struct remove_path : on_the_pool {
  std::string path = folder.with("a", "x");

  remove_path() : on_the_pool(call::path_change) {}
  task<> attempt(auto how) { co_await how(fs::remove(path)); }
  void check(bool completed) { EXPECT_EQ(std::filesystem::exists(path), !completed); }
};

struct create_directories_path : on_the_pool {
  std::string path = folder / "a/b/c";

  create_directories_path() : on_the_pool(call::path_change) {}
  task<> attempt(auto how) { co_await how(fs::create_directories(path)); }
  void check(bool completed) { EXPECT_EQ(std::filesystem::exists(path), completed); }
};

/// Nothing temporary is left, whatever happens.
struct create_temp_file : on_the_pool {
  std::optional<fs::temp_file> got;

  task<> attempt(auto how) { got.emplace(co_await how(fs::temp_file::create(folder.path()))); }
  task<> check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    got.reset();
    while (folder.entries() > 0) co_await yield();
  }
};

struct create_temp_directory : on_the_pool {
  std::optional<fs::temp_directory> got;

  create_temp_directory() : on_the_pool(call::path_change) {}
  task<> attempt(auto how) { got.emplace(co_await how(fs::temp_directory::create(folder.path()))); }
  task<> check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    got.reset();
    while (folder.entries() > 0) co_await yield();
  }
};

/// It was not told, or it is being removed: in the end it is gone.
struct remove_temp_directory : on_the_pool {
  std::optional<fs::temp_directory> directory;

  task<> set_up() {
    directory.emplace(co_await fs::temp_directory::create(folder.path()));
    (void)folder.with(std::filesystem::path(directory->path()).filename().string() + "/a", "x");
  }
  task<> attempt(auto how) { co_await how(directory->remove()); }
  task<> check(bool /*completed*/) {
    directory.reset();
    while (folder.entries() > 0) co_await yield();
  }
  static constexpr case_traits traits = over_at_once;
};

// ---- Directories and changes --------------------------------------------------------------------

/// The one thread of the pool is taken, so that a read waits in its line.
struct reading_a_directory {
  static constexpr case_traits traits{.completed_in_one_step = false,
                                      .has_virtual_time = false,
                                      .rounds = 60,
                                      .blocking_threads_max = 1};
  scratch_folder folder;
  std::string path = folder / "a";
  std::string got;
  std::latch may_go_on{1};
  std::atomic<bool> taken{false};
  join_handle<> before;

  task<> set_up() {
    std::filesystem::create_directory(path);
    (void)folder.with("a/b", "x");
    const auto stands_still = [this] {
      taken = true;
      may_go_on.wait();
    };
    before = spawn(to_thread(stands_still));
    while (!taken) co_await yield();
  }
  void complete() { may_go_on.count_down(); }
  task<> check(bool completed) {
    co_await before;
    EXPECT_EQ(got, completed ? path : "");
  }

 protected:
  task<> next_of(auto operation) {
    auto entry = co_await std::move(operation);
    if (entry) got = entry->path().string();
  }
};

struct read_directory_next : reading_a_directory {
  task<> attempt(auto how) {
    auto entries = fs::read_directory(folder.path());
    co_await next_of(how(entries.next()));
  }
};

/// A directory comes before what it holds.
struct walk_next : reading_a_directory {
  task<> attempt(auto how) {
    auto entries = fs::walk(folder.path());
    co_await next_of(how(entries.next()));
  }
};

struct begin_to_watch : on_the_pool {
  std::optional<fs::watcher> got;

  begin_to_watch() : on_the_pool(call::watch_create) {}
  task<> attempt(auto how) { got.emplace(co_await how(fs::watch(folder.path()))); }
  void check(bool completed) { EXPECT_EQ(got.has_value(), completed); }
};

/// The kernel completes it. A change that was not taken is the next one.
struct watch_next {
  static constexpr case_traits traits{
      .completed_in_one_step = false, .has_virtual_time = false, .rounds = 60};
  scratch_folder folder;
  std::optional<fs::watcher> watcher;
  std::optional<fs::change> got;

  task<> set_up() { watcher.emplace(co_await fs::watch(folder.path())); }
  task<> attempt(auto how) { got = co_await how(watcher->next()); }
  void complete() { std::filesystem::create_directory(folder / "new"); }
  task<> check(bool completed) {
    EXPECT_EQ(got.has_value(), completed);
    if (!completed) got = co_await watcher->next();
    EXPECT_TRUE(got.has_value());
    EXPECT_EQ(got.value_or(fs::change{}).name, "new");
    EXPECT_EQ(got.value_or(fs::change{}).kind, fs::change_kind::created);
  }
};

// ---- Standard streams ---------------------------------------------------------------------------

/// A pipe in the place of a standard stream; its other end is the test's.
class standard_pipe {
 public:
  explicit standard_pipe(int which)
      : other_(ends_[which == 0 ? 1 : 0]), replaced_(which, ends_[which == 0 ? 0 : 1]) {
    ::fcntl(other_, F_SETFL, O_NONBLOCK);
  }
  standard_pipe(const standard_pipe&) = delete;
  standard_pipe& operator=(const standard_pipe&) = delete;
  ~standard_pipe() { close(); }

  [[nodiscard]] int other_end() const { return other_; }
  void close() {
    if (other_ >= 0) ::close(other_);
    other_ = -1;
  }

 private:
  static std::array<int, 2> make() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    return ends;
  }

  std::array<int, 2> ends_ = make();
  int other_;
  replaced_descriptor replaced_;
};

/// The kernel completes these.
constexpr case_traits by_the_kernel{.completed_in_one_step = false, .rounds = 80};

struct standard_input_read_some {
  static constexpr case_traits traits = by_the_kernel;
  standard_pipe pipe{0};
  fs::standard_input input;
  std::string got;

  task<> attempt(auto how) { got = co_await how(read()); }
  void complete() { EXPECT_EQ(::write(pipe.other_end(), "abc", 3), 3); }
  /// Nothing is lost and nothing comes twice.
  task<> check(bool completed) {
    EXPECT_EQ(got.empty(), !completed);
    pipe.close();
    const std::string more = co_await read();
    const std::string rest = co_await read();
    EXPECT_EQ(got + more + rest, "abc");
  }
  task<std::string> read() {
    std::array<char, 2> buffer{};
    const std::size_t count = co_await input.read_some(buffer);
    co_return std::string(buffer.data(), count);
  }
};

/// A full pipe, which somebody else empties. In the place of standard error, another name for the
/// same: standard output is where the test says what has failed.
struct standard_writing {
  static constexpr case_traits traits = by_the_kernel;
  standard_pipe pipe{2};
  fs::standard_error output;
  std::string before, after;

  task<> set_up() {
    const int flags = ::fcntl(2, F_GETFL);
    ::fcntl(2, F_SETFL, flags | O_NONBLOCK);
    const std::string bytes(4096, '<');
    while (::write(2, bytes.data(), bytes.size()) > 0) before += bytes;
    ::fcntl(2, F_SETFL, flags);
    co_return;
  }
  void complete() { read_up_to(before.size()); }

 protected:
  /// All that is in the pipe.
  void read_the_rest() {
    read_up_to(std::string::npos);
    EXPECT_TRUE(after.starts_with(before));
    after.erase(0, before.size());
  }

 private:
  void read_up_to(std::size_t size) {
    std::string buffer(65536, '\0');
    while (after.size() < size) {
      const std::size_t next = std::min(buffer.size(), size - after.size());
      const ssize_t count = ::read(pipe.other_end(), buffer.data(), next);
      if (count <= 0) return;
      after.append(buffer, 0, static_cast<std::size_t>(count));
    }
  }
};

struct standard_output_write_some : standard_writing {
  std::size_t taken = 0;

  task<> attempt(auto how) { taken = co_await how(output.write_some("abc")); }
  void check(bool completed) {
    read_the_rest();
    EXPECT_EQ(taken > 0, completed);
    EXPECT_EQ(after, std::string_view("abc").substr(0, taken));
  }
};

/// A part may have gone; it is the beginning.
struct standard_output_write_all : standard_writing {
  const std::string bytes = std::string(20'000, '(') + std::string(20'000, ')');

  task<> attempt(auto how) { co_await how(output.write_all(bytes)); }
  void check(bool completed) {
    read_the_rest();
    if (completed) EXPECT_EQ(after.size(), bytes.size());
    EXPECT_TRUE(bytes.starts_with(after));
  }
};

// ---- The matrix ---------------------------------------------------------------------------------

const std::vector<matrix_case>& cases() {
  static const std::vector<matrix_case> all{
      case_of<queued_write_all>("QueuedWriteAll"),
      case_of<queued_write_some>("QueuedWriteSome"),
      case_of<queued_write_at>("QueuedWriteAt"),
      case_of<queued_read_some>("QueuedReadSome"),
      case_of<queued_read_at>("QueuedReadAt"),
      case_of<queued_seek>("QueuedSeek"),
      case_of<queued_truncate>("QueuedTruncate"),
      case_of<queued_sync>("QueuedSync"),
      case_of<queued_stat>("QueuedStat"),
      case_of<queued_close>("QueuedClose"),
      case_of<queued_lines>("QueuedLines"),
      case_of<open_file>("Open"),
      case_of<read_whole_file>("ReadFile"),
      case_of<read_into_buffer>("ReadInto"),
      case_of<write_whole_file>("WriteFile"),
      case_of<write_atomically>("WriteFileAtomically"),
      case_of<copy_whole_file>("CopyFile"),
      case_of<stat_path>("Stat"),
      case_of<exists_path>("Exists"),
      case_of<rename_path>("Rename"),
      case_of<remove_path>("Remove"),
      case_of<create_directories_path>("CreateDirectories"),
      case_of<create_temp_file>("TempFile"),
      case_of<create_temp_directory>("TempDirectory"),
      case_of<remove_temp_directory>("TempDirectoryRemove"),
      case_of<read_directory_next>("ReadDirectory"),
      case_of<walk_next>("Walk"),
      case_of<begin_to_watch>("Watch"),
      case_of<watch_next>("WatchNext"),
      case_of<standard_input_read_some>("StandardInputReadSome"),
      case_of<standard_output_write_some>("StandardOutputWriteSome"),
      case_of<standard_output_write_all>("StandardOutputWriteAll"),
  };
  return all;
}

class CancellationMatrix : public ::testing::TestWithParam<cancellation_cell> {};
INSTANTIATE_TEST_SUITE_P(Fs, CancellationMatrix, ::testing::ValuesIn(cancellation_cells(cases())),
                         cell_name);

TEST_P(CancellationMatrix, Request_LosesAndInventsNothing) {
  play_all(GetParam());
}

class TimeLimitMatrix : public ::testing::TestWithParam<limit_cell> {};
INSTANTIATE_TEST_SUITE_P(Fs, TimeLimitMatrix, ::testing::ValuesIn(limit_cells(cases())),
                         limit_name);

TEST_P(TimeLimitMatrix, Limit_LosesAndInventsNothing) {
  play_all(GetParam());
}

}  // namespace
}  // namespace weft::testing
