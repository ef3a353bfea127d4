#include <weft/net/detail/writer_core.h>

#include <gtest/gtest.h>

#include <array>
#include <span>
#include <stdexcept>
#include <string>

namespace weft::detail {
namespace {

using sender = writer_core::sender;

sender write(writer_core& core, byte_view bytes) {
  return core.write(std::span(&bytes, 1));
}

TEST(WriterCore, FirstBytes_WantASender) {
  writer_core core({});
  EXPECT_EQ(write(core, ""), sender::exists);
  EXPECT_EQ(write(core, "a"), sender::wanted);
  EXPECT_EQ(write(core, "b"), sender::exists);

  EXPECT_EQ(core.next_chunk().text(), "ab");
  core.sent(2);
  EXPECT_TRUE(core.next_chunk().empty());

  EXPECT_EQ(write(core, "c"), sender::wanted);
}

TEST(WriterCore, PartialProgress_IsContinued) {
  writer_core core({});
  (void)write(core, "abc");
  EXPECT_EQ(core.next_chunk().text(), "abc");
  core.sent(1);
  (void)write(core, "def");

  EXPECT_EQ(core.unsent(), 5u);
  EXPECT_EQ(core.next_chunk().text(), "bc");
  core.sent(2);
  EXPECT_EQ(core.next_chunk().text(), "def");
}

TEST(WriterCore, HardCap_CountsEverythingUnsent) {
  writer_core core({.hard_cap = 5});
  (void)write(core, "abc");
  (void)core.next_chunk();
  const std::array<byte_view, 2> parts{"d", "ef"};

  EXPECT_THROW((void)core.write(parts), std::length_error);
  EXPECT_EQ(core.unsent(), 3u);
  core.sent(1);
  EXPECT_NO_THROW((void)core.write(parts));
}

TEST(WriterCore, UnbegunBytes_CanBeTakenAndGivenBack) {
  writer_core core({});
  (void)write(core, "abc");
  std::string taken = core.take_unbegun();
  EXPECT_EQ(taken, "abc");
  EXPECT_TRUE(core.next_chunk().empty());  // the sender comes in between, and ends

  EXPECT_EQ(core.give_back(std::move(taken), 1), sender::wanted);
  EXPECT_EQ(core.unsent(), 2u);
  EXPECT_EQ(core.next_chunk().text(), "bc");
  EXPECT_EQ(core.take_unbegun(), "");  // under way: nobody else sends
}

TEST(WriterCore, Failure_DropsTheBytesAndIsTold) {
  writer_core core({});
  (void)write(core, "abc");
  core.failed(std::make_exception_ptr(std::runtime_error("lost")));

  EXPECT_EQ(core.unsent(), 0u);
  EXPECT_EQ(write(core, "d"), sender::exists);
  EXPECT_EQ(core.unsent(), 0u);
  EXPECT_THROW((void)core.ready_to_close(), std::runtime_error);
  EXPECT_TRUE(core.ready_to_close());  // told already
  EXPECT_THROW((void)core.drained_below(0), std::runtime_error);
}

}  // namespace
}  // namespace weft::detail
