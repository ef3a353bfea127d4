#include <weft/net/detail/descriptor.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include <fcntl.h>

namespace weft::detail {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(Descriptor, Owner_ClosesItOnce) {
  const std::int64_t before = sys::open_descriptors();
  int fd = -1;
  {
    descriptor owner(sys::socket(AF_INET, SOCK_STREAM), false);
    fd = owner.fd();
    EXPECT_TRUE(is_open(fd));
    EXPECT_EQ(sys::open_descriptors(), before + 1);
    owner.close();
    EXPECT_FALSE(is_open(fd));
    owner.close();
  }
  EXPECT_EQ(sys::open_descriptors(), before);
}

TEST(Descriptor, Move_PassesTheOwnershipOn) {
  const std::int64_t before = sys::open_descriptors();
  {
    descriptor first(sys::socket(AF_INET, SOCK_STREAM), false);
    descriptor second(std::move(first));
    EXPECT_FALSE(first);
    EXPECT_TRUE(second);
    descriptor third(sys::socket(AF_INET, SOCK_STREAM), false);
    third = std::move(second);
    EXPECT_EQ(sys::open_descriptors(), before + 1);
  }
  EXPECT_EQ(sys::open_descriptors(), before);
}

TEST(Descriptor, Error_MakesAnEmptyOne) {
  const descriptor none(-EMFILE, false);

  EXPECT_FALSE(none);
  EXPECT_EQ(none.fd(), -1);
  EXPECT_EQ(none.source(), nullptr);
}

TEST(Descriptor, FreshOne_IsReadyToWriteAndReadsOnRequest) {
  const descriptor waiting(sys::socket(AF_INET, SOCK_STREAM), false);
  const descriptor eager(sys::socket(AF_INET, SOCK_STREAM), true);

  EXPECT_TRUE(waiting.source()->is_ready(io_direction::write));
  EXPECT_FALSE(waiting.source()->is_ready(io_direction::read));
  EXPECT_TRUE(eager.source()->is_ready(io_direction::read));
}

}  // namespace
}  // namespace weft::detail
