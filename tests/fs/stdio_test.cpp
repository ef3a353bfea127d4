#include "disk.h"
#include "replaced_descriptor.h"
#include <weft/fs/stdio.h>
#include <weft/net/buffered.h>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace weft::testing {
namespace {

static_assert(async_reader<fs::standard_input> && async_writer<fs::standard_output> &&
              async_writer<fs::standard_error>);

/// Not on the virtual clock: others write and read.
class StandardStreams : public ::testing::TestWithParam<std::size_t> {
 protected:
  scratch_folder folder;
  template <class F>
  void run(F body) {
    weft::run(std::move(body), {.workers = GetParam()});
  }
  static void send(int fd, std::string_view text) {
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
};
INSTANTIATE_TEST_SUITE_P(Workers, StandardStreams, ::testing::Values(1, 4));

task<std::string> read_from(fs::standard_input& input) {
  std::string buffer(100, '\0');
  const std::size_t count = co_await input.read_some(buffer);
  buffer.resize(count);
  co_return buffer;
}

TEST_P(StandardStreams, InputFromAPipe_WaitsAndEnds) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const replaced_descriptor guard(0, ends[0]);
  run([&]() -> task<> {
    fs::standard_input input;
    auto waiting = spawn(read_from(input));
    co_await until_waiting(waiting);

    const bool early = waiting.done();
    send(ends[1], "late");
    const std::string got = co_await waiting;
    ::close(ends[1]);
    const std::string end = co_await read_from(input);

    EXPECT_FALSE(early);
    EXPECT_EQ(got, "late");
    EXPECT_EQ(end, "");
  });
}

TEST_P(StandardStreams, InputThatIsCancelled_LosesNothing) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const replaced_descriptor guard(0, ends[0]);
  run([&]() -> task<> {
    fs::standard_input input;
    auto waiting = spawn(read_from(input));
    co_await until_waiting(waiting);
    waiting.cancel();
    const ending ended = co_await end_of(waiting);

    send(ends[1], "kept");
    const std::string got = co_await read_from(input);
    ::close(ends[1]);

    EXPECT_EQ(ended, ending::cancelled);
    EXPECT_EQ(got, "kept");
  });
}

TEST_P(StandardStreams, Pipe_StaysBlockingForOthers) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const replaced_descriptor guard(0, ends[0]);
  run([&]() -> task<> {
    const fs::standard_input input;

    EXPECT_EQ(::fcntl(0, F_GETFL) & O_NONBLOCK, 0);
    co_return;
  });
  ::close(ends[1]);
}

TEST_P(StandardStreams, InputFromAFile_IsReadOnFromItsPosition) {
  const int file = ::open(folder.with("a", "skipped kept").c_str(), O_RDONLY | O_CLOEXEC);
  ::lseek(file, 8, SEEK_SET);
  const replaced_descriptor guard(0, file);
  run([&]() -> task<> {
    fs::standard_input input;

    const std::string got = co_await read_from(input);
    const std::string end = co_await read_from(input);

    EXPECT_EQ(got, "kept");
    EXPECT_EQ(end, "");
    EXPECT_EQ(::lseek(0, 0, SEEK_CUR), 12);
  });
}

TEST_P(StandardStreams, InputInLines_ThroughABufferedReader) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const replaced_descriptor guard(0, ends[0]);
  run([&]() -> task<> {
    buffered_reader<fs::standard_input> lines{fs::standard_input()};
    send(ends[1], "one\ntwo\n");
    ::close(ends[1]);

    const auto first = co_await lines.read_line();
    const auto second = co_await lines.read_line();
    const auto end = co_await lines.read_line();

    EXPECT_EQ(first, "one");
    EXPECT_EQ(second, "two");
    EXPECT_FALSE(end.has_value());
  });
}

TEST_P(StandardStreams, OutputToAPipeThatIsFull_WaitsForItsReader) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);  // the reader here must not wait: it shares a worker
  const replaced_descriptor guard(1, ends[1]);
  const std::string text(1'000'000, 'x');
  std::string got;
  run([&]() -> task<> {
    fs::standard_output output;
    auto writing = spawn(output.write_all(text));
    co_await until_waiting(writing);

    std::string buffer(65'536, '\0');
    while (got.size() < text.size()) {
      const ssize_t count = ::read(ends[0], buffer.data(), buffer.size());
      if (count > 0) got.append(buffer, 0, static_cast<std::size_t>(count));
      co_await yield();
    }
    co_await writing;
  });
  ::close(ends[0]);

  EXPECT_TRUE(got == text);
}

TEST_P(StandardStreams, OutputWithoutReader_FailsWithoutASignal) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const replaced_descriptor guard(2, ends[1]);
  run([&]() -> task<> {
    fs::standard_error output;
    ::close(ends[0]);

    const failure write = co_await failure_of(output.write_all("x"));

    EXPECT_EQ(write.message, "write standard error: Broken pipe");
  });
}

TEST_P(StandardStreams, OutputToAFile_GoesToItsEnd) {
  const std::string path = folder.with("a", "");
  const replaced_descriptor guard(1, ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  run([]() -> task<> {
    fs::standard_output output;
    co_await output.write_all("one ");
    const std::size_t count = co_await output.write_some("two");

    EXPECT_EQ(count, 3U);
  });

  EXPECT_EQ(scratch_folder::contents(path), "one two");
}

// Without a runtime, whose own descriptors would take the place.
TEST(StandardStreamsWithoutRuntime, ClosedStream_IsNamed) {
  const int input = ::dup(0);
  ::close(0);
  std::string message;

  try {
    const fs::standard_input none;
  } catch (const std::system_error& error) {
    message = error.what();
  }
  ::dup2(input, 0);
  ::close(input);

  EXPECT_EQ(message, "standard input: Bad file descriptor");
}

}  // namespace
}  // namespace weft::testing
