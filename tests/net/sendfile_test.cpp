#include "loopback.h"
#include <weft/net/sendfile.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace weft {
namespace {

using namespace testing;
using ::testing::StartsWith;

class Sendfile : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, Sendfile, one_and_two_workers(), workers_name);

/// A file without a name, that holds these bytes.
class open_file {
 public:
  explicit open_file(const std::string& bytes) : file_(std::tmpfile()) {
    EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file_), bytes.size());
    EXPECT_EQ(std::fflush(file_), 0);
  }
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  ~open_file() { (void)std::fclose(file_); }
  [[nodiscard]] int fd() const { return ::fileno(file_); }

 private:
  std::FILE* file_;
};

/// What arrives of the range of a file, and how much sendfile() says it was.
struct outcome {
  std::uint64_t sent = 0;
  std::string received;
};
task<outcome> transfer(int file, std::uint64_t offset, std::uint64_t count) {
  stream_pair ends = co_await connected_pair();
  auto reading = spawn([](tcp_stream& from) { return read_to_end(from); }, std::ref(ends.far));
  outcome seen;
  seen.sent = co_await sendfile(ends.near, file, offset, count);
  ends.near.shutdown_write();
  seen.received = co_await reading;
  co_return seen;
}

TEST_P(Sendfile, WholeFile_Arrives) {
  run([]() -> task<> {
    const std::string bytes = pattern(3'000'000);
    const open_file file(bytes);
    stream_pair ends = co_await connected_pair();
    auto reading = spawn([](tcp_stream& from) { return read_to_end(from); }, std::ref(ends.far));

    const std::uint64_t sent = co_await sendfile(ends.near, file.fd());

    ends.near.close();
    EXPECT_EQ(sent, bytes.size());
    EXPECT_TRUE(co_await reading == bytes);
  });
}

TEST_P(Sendfile, Range_IsSentAndThePositionStays) {
  run([]() -> task<> {
    const open_file file("0123456789");
    const auto before = ::lseek(file.fd(), 0, SEEK_CUR);

    const outcome middle = co_await transfer(file.fd(), 3, 4);
    const outcome past_the_end = co_await transfer(file.fd(), 8, 100);
    const outcome behind = co_await transfer(file.fd(), 50, 10);
    const outcome nothing = co_await transfer(file.fd(), 3, 0);

    EXPECT_EQ(middle.sent, 4u);
    EXPECT_EQ(middle.received, "3456");
    EXPECT_EQ(past_the_end.sent, 2u);
    EXPECT_EQ(past_the_end.received, "89");
    EXPECT_EQ(behind.sent, 0u);
    EXPECT_EQ(nothing.sent, 0u);
    EXPECT_EQ(::lseek(file.fd(), 0, SEEK_CUR), before);
  });
}

TEST_P(Sendfile, WhatComesBeforeAndAfter_StaysInOrder) {
  run([]() -> task<> {
    const open_file file("file");
    stream_pair ends = co_await connected_pair();

    co_await ends.near.write_all("before-");
    EXPECT_EQ(co_await sendfile(ends.near, file.fd()), 4u);
    co_await ends.near.write_all("-after");
    ends.near.close();

    EXPECT_EQ(co_await read_to_end(ends.far), "before-file-after");
  });
}

// The kernel cannot send these by itself.
TEST_P(Sendfile, FileThatMustBeCopied_ArrivesToo) {
  run([]() -> task<> {
    const int file = ::open("/proc/self/limits", O_RDONLY | O_CLOEXEC);
    std::ifstream plain("/proc/self/limits");
    const std::string bytes{std::istreambuf_iterator<char>(plain), {}};

    const outcome copied = co_await transfer(file, 0, 1'000'000);

    ::close(file);
    EXPECT_EQ(copied.received, bytes);
    EXPECT_EQ(copied.sent, bytes.size());
  });
}

TEST_P(Sendfile, NoFile_IsAnErrorThatNamesThePeer) {
  run([]() -> task<> {
    stream_pair ends = co_await connected_pair();
    std::string what;
    try {
      (void)co_await sendfile(ends.near, -1);
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), EBADF);
      what = error.what();
    }
    EXPECT_THAT(what, StartsWith("sendfile "));

    co_await ends.near.write_all("it goes on");
    ends.near.close();
    EXPECT_EQ(co_await read_to_end(ends.far), "it goes on");
  });
}

/// A task that sends a file that is larger than all buffers.
struct long_transfer {
  std::string bytes = pattern(8'000'000);
  open_file file{bytes};
  stream_pair ends;
  std::uint64_t sent = 0;

  // Not an aggregate: g++ 12 destroys the members of one twice when its initialiser awaits.
  explicit long_transfer(stream_pair connected) : ends(std::move(connected)) {}

  static task<> run(long_transfer& self) {
    auto sending = sendfile(self.ends.near, self.file.fd());
    try {
      (void)co_await sending;
    } catch (...) {  // looked at by whoever awaits
      self.sent = sending.sent();
      throw;
    }
    self.sent = sending.sent();
  }
};

TEST_P(Sendfile, PeerThatGoesAway_IsAConnectionErrorAndNoSignal) {
  run([]() -> task<> {
    long_transfer transfer(co_await connected_pair());
    auto sending = spawn(long_transfer::run(transfer));
    co_await until_waiting(sending);

    abort_connection(transfer.ends.far);

    const std::error_code code = co_await error_of(std::move(sending));
    EXPECT_TRUE(code == std::errc::connection_reset || code == std::errc::broken_pipe) << code;
    EXPECT_GT(transfer.sent, 0u);
    EXPECT_LT(transfer.sent, transfer.bytes.size());
    const auto again = co_await as_result(sendfile(transfer.ends.near, transfer.file.fd()));
    EXPECT_EQ(again.error_code(), std::errc::broken_pipe);  // without SIGPIPE: the test lives
  });
}

TEST_P(Sendfile, Cancelled_SaysHowMuchHasGone) {
  run([]() -> task<> {
    long_transfer transfer(co_await connected_pair());
    auto sending = spawn(long_transfer::run(transfer));
    co_await until_waiting(sending);

    sending.cancel();
    const auto ended = co_await as_result(std::move(sending));
    transfer.ends.near.close();
    const std::string received = co_await read_to_end(transfer.ends.far);

    EXPECT_TRUE(ended.cancelled());
    EXPECT_EQ(received.size(), transfer.sent);
    EXPECT_TRUE(received == transfer.bytes.substr(0, received.size()));
  });
}

TEST_P(Sendfile, WriteMeanwhile_IsRefused) {
  run([]() -> task<> {
    long_transfer transfer(co_await connected_pair());
    auto sending = spawn(long_transfer::run(transfer));
    co_await until_waiting(sending);

    const auto other = co_await as_result(transfer.ends.near.write_all("in between"));

    EXPECT_EQ(other.error_code(), std::errc::device_or_resource_busy);
    auto reading =
        spawn([](tcp_stream& from) { return read_to_end(from); }, std::ref(transfer.ends.far));
    co_await sending;
    transfer.ends.near.close();
    EXPECT_TRUE(co_await reading == transfer.bytes);
  });
}

}  // namespace
}  // namespace weft
