#include "socket_ends.h"
#include <weft/net/detail/descriptor.h>
#include <weft/net/detail/stream_operations.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

namespace weft::detail {
namespace {

using namespace testing;

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

int new_socket() {
  const int fd = sys::socket(AF_INET, SOCK_STREAM);
  EXPECT_GE(fd, 0);
  return fd;
}

TEST(Descriptor, NewOne_IsEmpty) {
  const descriptor empty;

  EXPECT_FALSE(empty);
  EXPECT_EQ(empty.fd(), -1);
  EXPECT_EQ(empty.source(), nullptr);
}

TEST(Descriptor, Error_IsEmpty) {
  const std::int64_t before = take_ledger().fds;

  const descriptor failed(-EMFILE, false);

  EXPECT_FALSE(failed);
  EXPECT_EQ(failed.fd(), -1);
  EXPECT_EQ(take_ledger().fds, before);
}

TEST(Descriptor, End_ClosesWhatItOwns) {
  const std::int64_t before = take_ledger().fds;
  const int fd = new_socket();
  {
    const descriptor owner(fd, false);
    EXPECT_EQ(owner.fd(), fd);
    EXPECT_TRUE(is_open(fd));
    EXPECT_EQ(take_ledger().fds, before + 1);
  }
  EXPECT_FALSE(is_open(fd));
  EXPECT_EQ(take_ledger().fds, before);
}

TEST(Descriptor, ClosedTwice_IsClosedOnce) {
  const std::int64_t before = take_ledger().fds;
  descriptor first(new_socket(), false);
  const int number = first.fd();

  first.close();
  const descriptor second(new_socket(), false);  // the kernel gives the lowest free number
  ASSERT_EQ(second.fd(), number);
  first.close();

  EXPECT_TRUE(is_open(number));
  EXPECT_EQ(first.fd(), -1);
  EXPECT_EQ(take_ledger().fds, before + 1);
}

TEST(Descriptor, Move_HandsTheOwnershipOver) {
  const int fd = new_socket();
  descriptor first(fd, false);
  {
    const descriptor second(std::move(first));
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what it is about
    EXPECT_EQ(second.fd(), fd);
    first.close();
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(Descriptor, MoveAssignment_ClosesWhatWasThere) {
  const int old_number = new_socket();
  const int new_number = new_socket();
  descriptor target(old_number, false);
  descriptor source(new_number, false);

  target = std::move(source);

  EXPECT_FALSE(is_open(old_number));
  EXPECT_TRUE(is_open(new_number));
  EXPECT_EQ(target.fd(), new_number);
  EXPECT_FALSE(source);  // NOLINT(bugprone-use-after-move): what it is about
}

TEST(Descriptor, AssignedToItself_StaysOpen) {
  descriptor owner(new_socket(), false);
  const int fd = owner.fd();
  descriptor& same = owner;

  owner = std::move(same);

  EXPECT_EQ(owner.fd(), fd);
  EXPECT_TRUE(is_open(fd));
}

/// The number is one that nobody has: what counts is that it was passed to close().
TEST(Descriptor, NumberBeyondTheTable_IsClosedAtOnce) {
  constexpr int beyond = 1'048'576;
  const std::int64_t before = take_ledger().fds;
  sys::opened();

  const descriptor refused(beyond, false);

  EXPECT_FALSE(refused);
  EXPECT_EQ(take_ledger().fds, before);
}

TEST(Descriptor, FirstRead_IsTriedWhenItIsSaidToBeReady) {
  const descriptor fresh(new_socket(), false);
  const descriptor accepted(new_socket(), true);

  EXPECT_FALSE(fresh.source()->is_ready(io_direction::read));
  EXPECT_TRUE(accepted.source()->is_ready(io_direction::read));
  EXPECT_TRUE(fresh.source()->is_ready(io_direction::write));
  EXPECT_TRUE(accepted.source()->is_ready(io_direction::write));
}

TEST(Descriptor, ReusedNumber_HasAnotherGeneration) {
  descriptor first(new_socket(), false);
  const std::uint64_t tag = first.source()->tag();
  EXPECT_EQ(io_source::find(tag), first.source());

  first.close();
  const descriptor second(new_socket(), false);

  EXPECT_EQ(io_source::find(tag), nullptr);
  EXPECT_EQ(io_source::find(second.source()->tag()), second.source());
}

class DescriptorInUse : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, DescriptorInUse, one_and_two_workers(), workers_name);

task<std::size_t> read_once(descriptor& from) {
  std::string buffer(16, '\0');
  co_return co_await read_operation(from.source(), buffer, nullptr);
}

TEST_P(DescriptorInUse, CloseUnderAWaitingOperation_FailsIt) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    auto reading = spawn(read_once, std::ref(near));
    co_await until_waiting(reading);
    EXPECT_EQ(take_ledger().registrations, 1);

    near.close();

    EXPECT_EQ((co_await error_of(std::move(reading))).value(), ECANCELED);
    EXPECT_EQ(take_ledger().registrations, 0);
  });
}

TEST_P(DescriptorInUse, MovedUnderAWaitingOperation_GoesOn) {
  run([]() -> task<> {
    auto [near, far] = make_ends();
    auto reading = spawn(read_once, std::ref(near));
    co_await until_waiting(reading);

    const descriptor elsewhere(std::move(near));
    EXPECT_EQ(sys::send(far.fd(), "abc", 3), 3);

    EXPECT_EQ(co_await reading, 3u);
  });
}

}  // namespace
}  // namespace weft::detail
