#include <weft/net/detail/writer_core.h>

#include <gtest/gtest.h>

#include <array>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace weft::detail {
namespace {

using sender = writer_core::sender;

sender write(writer_core& core, std::string_view text) {
  const byte_view part(text);
  return core.write({&part, 1});
}

/// As a sending task to whose stream nothing has to wait.
std::string send_everything(writer_core& core) {
  std::string stream;
  for (byte_view chunk = core.next_chunk(); !chunk.empty(); chunk = core.next_chunk()) {
    stream += chunk.text();
    core.sent(chunk.size());
  }
  return stream;
}

void fail(writer_core& core) {
  core.failed(std::make_exception_ptr(std::runtime_error("reset")));
}

// ---- Writing ------------------------------------------------------------------------------------

TEST(WriterCore, FirstBytes_WantASender) {
  writer_core core({});

  EXPECT_EQ(write(core, "a"), sender::wanted);
  EXPECT_EQ(write(core, "b"), sender::exists);
  EXPECT_EQ(core.unsent(), 2u);
}

TEST(WriterCore, NoBytes_WantNoSender) {
  writer_core core({});
  const std::array<byte_view, 2> empty_parts{};

  EXPECT_EQ(write(core, ""), sender::exists);
  EXPECT_EQ(core.write(empty_parts), sender::exists);
  EXPECT_EQ(core.write({}), sender::exists);
  EXPECT_EQ(core.unsent(), 0u);
  EXPECT_EQ(write(core, "a"), sender::wanted);
}

TEST(WriterCore, Parts_AreSentInOrder) {
  writer_core core({});
  const std::array<byte_view, 4> parts{"one ", "", "two ", "three"};

  EXPECT_EQ(core.write(parts), sender::wanted);

  EXPECT_EQ(core.unsent(), 13u);
  EXPECT_EQ(send_everything(core), "one two three");
}

TEST(WriterCore, SenderThatCouldNotBeSpawned_IsWantedByTheNextWrite) {
  writer_core core({});
  EXPECT_EQ(write(core, "a"), sender::wanted);

  core.could_not_spawn();

  EXPECT_EQ(core.unsent(), 1u);
  EXPECT_EQ(write(core, "b"), sender::wanted);
  EXPECT_EQ(send_everything(core), "ab");
}

// ---- The hard cap -------------------------------------------------------------------------------

TEST(WriterCore, HardCap_CanBeFilledAndNotExceeded) {
  writer_core core({.hard_cap = 10});
  EXPECT_EQ(write(core, "12345"), sender::wanted);
  EXPECT_EQ(write(core, "67890"), sender::exists);

  EXPECT_THROW((void)write(core, "x"), std::length_error);

  EXPECT_EQ(core.unsent(), 10u);
  EXPECT_EQ(send_everything(core), "1234567890");
}

TEST(WriterCore, PartsBeyondTheHardCap_AreRefusedTogether) {
  writer_core core({.hard_cap = 10});
  const std::array<byte_view, 3> parts{"12345", "67890", "x"};

  EXPECT_THROW((void)core.write(parts), std::length_error);

  EXPECT_EQ(core.unsent(), 0u);
  EXPECT_EQ(write(core, "ok"), sender::wanted);  // and no sender was promised
}

TEST(WriterCore, HardCap_IsNamed) {
  writer_core core({.hard_cap = 10});
  try {
    (void)write(core, "12345678901");
    ADD_FAILURE();
  } catch (const std::length_error& error) {
    EXPECT_STREQ(error.what(), "write: more than 10 bytes would be unsent");
  }
}

TEST(WriterCore, HardCap_CountsWhatIsUnsentOnly) {
  writer_core core({.hard_cap = 10});
  (void)write(core, "1234567890");
  EXPECT_EQ(core.next_chunk().size(), 10u);
  EXPECT_THROW((void)write(core, "x"), std::length_error);  // under way is not sent yet

  core.sent(4);

  EXPECT_EQ(write(core, "abcd"), sender::exists);
  EXPECT_THROW((void)write(core, "x"), std::length_error);
  EXPECT_EQ(send_everything(core), "567890abcd");
}

TEST(WriterCore, NothingAtTheHardCap_IsNotRefused) {
  writer_core core({.hard_cap = 1});
  (void)write(core, "x");

  EXPECT_EQ(write(core, ""), sender::exists);
}

// ---- Sending ------------------------------------------------------------------------------------

TEST(WriterCore, NextChunk_IsAllThatWasWritten) {
  writer_core core({});
  (void)write(core, "a");
  (void)write(core, "b");
  (void)write(core, "c");

  EXPECT_EQ(core.next_chunk().text(), "abc");
}

TEST(WriterCore, PartlySentChunk_GoesOnBeforeWhatCameLater) {
  writer_core core({});
  (void)write(core, "abcdef");
  EXPECT_EQ(core.next_chunk().text(), "abcdef");

  core.sent(2);
  (void)write(core, "later");
  EXPECT_EQ(core.unsent(), 9u);
  EXPECT_EQ(core.next_chunk().text(), "cdef");
  core.sent(4);

  EXPECT_EQ(core.next_chunk().text(), "later");
}

TEST(WriterCore, ChunkOfWhichNothingWasSent_IsGivenAgain) {
  writer_core core({});
  (void)write(core, "abc");

  EXPECT_EQ(core.next_chunk().text(), "abc");
  core.sent(0);
  EXPECT_EQ(core.next_chunk().text(), "abc");
}

TEST(WriterCore, ChunkUnderWay_StaysWhereItIsWhileOthersWrite) {
  writer_core core({});
  (void)write(core, "abc");
  const byte_view chunk = core.next_chunk();

  for (int i = 0; i < 1000; ++i) (void)write(core, "something that makes strings grow");

  EXPECT_EQ(chunk.text(), "abc");
}

TEST(WriterCore, SenderEnds_WhenEverythingIsSent) {
  writer_core core({});
  (void)write(core, "abc");
  EXPECT_EQ(send_everything(core), "abc");

  EXPECT_EQ(core.unsent(), 0u);
  EXPECT_EQ(write(core, "next"), sender::wanted);
}

// ---- Marks --------------------------------------------------------------------------------------

TEST(WriterCore, Mark_IsReachedWithExactlyThatMuchUnsent) {
  writer_core core({});
  (void)write(core, "12345");

  EXPECT_FALSE(core.drained_below(4));
  EXPECT_TRUE(core.drained_below(5));
  (void)core.next_chunk();
  EXPECT_FALSE(core.drained_below(4));
  core.sent(1);
  EXPECT_TRUE(core.drained_below(4));
  EXPECT_FALSE(core.drained_below(0));
  core.sent(4);
  EXPECT_TRUE(core.drained_below(0));
}

TEST(WriterCore, Progress_IsTakenDownByWhoHasToWaitForIt) {
  writer_core core({});
  (void)write(core, "12345");
  (void)core.next_chunk();
  core.sent(1);
  EXPECT_TRUE(core.progress().is_set());

  EXPECT_TRUE(core.drained_below(4));
  EXPECT_TRUE(core.progress().is_set());  // who need not wait takes nothing from others
  EXPECT_FALSE(core.drained_below(3));
  EXPECT_FALSE(core.progress().is_set());

  core.sent(1);
  EXPECT_TRUE(core.progress().is_set());
}

TEST(WriterCore, EndOfSending_IsProgress) {
  writer_core core({});
  (void)write(core, "1");
  std::string taken = core.take_unbegun();
  (void)write(core, "2");
  EXPECT_FALSE(core.drained_below(0));
  taken += core.take_unbegun();
  EXPECT_EQ(taken, "12");

  EXPECT_TRUE(core.next_chunk().empty());

  EXPECT_TRUE(core.progress().is_set());
}

// ---- Taking over from the sender ----------------------------------------------------------------

TEST(WriterCore, UnbegunBytes_CanBeTakenOnce) {
  writer_core core({});
  (void)write(core, "abc");

  EXPECT_EQ(core.take_unbegun(), "abc");
  EXPECT_EQ(core.take_unbegun(), "");
  EXPECT_TRUE(core.next_chunk().empty());
}

TEST(WriterCore, BytesBehindAChunkUnderWay_AreNotTaken) {
  writer_core core({});
  (void)write(core, "abc");
  (void)core.next_chunk();
  core.sent(2);
  (void)write(core, "def");

  EXPECT_EQ(core.take_unbegun(), "");
  core.sent(1);
  EXPECT_EQ(core.take_unbegun(), "def");
}

TEST(WriterCore, RestGivenBack_IsSentBeforeWhatComesLater) {
  writer_core core({});
  (void)write(core, "abcdef");
  std::string taken = core.take_unbegun();

  EXPECT_EQ(core.give_back(std::move(taken), 2), sender::exists);  // the write has wanted it
  EXPECT_EQ(core.unsent(), 4u);
  (void)write(core, "later");

  EXPECT_EQ(send_everything(core), "cdeflater");
}

TEST(WriterCore, RestGivenBackAfterTheSenderEnded_WantsANewOne) {
  writer_core core({});
  (void)write(core, "abc");
  std::string taken = core.take_unbegun();
  EXPECT_TRUE(core.next_chunk().empty());  // the sender finds nothing, and ends

  EXPECT_EQ(core.give_back(std::move(taken), 1), sender::wanted);

  EXPECT_EQ(send_everything(core), "bc");
}

TEST(WriterCore, NothingLeftToGiveBack_WantsNoSender) {
  writer_core core({});
  (void)write(core, "abc");
  std::string taken = core.take_unbegun();
  EXPECT_TRUE(core.next_chunk().empty());

  EXPECT_EQ(core.give_back(std::move(taken), 3), sender::exists);

  EXPECT_EQ(core.unsent(), 0u);
  EXPECT_EQ(write(core, "x"), sender::wanted);
}

// ---- Failures -----------------------------------------------------------------------------------

TEST(WriterCore, Failure_DropsWhatIsUnsent) {
  writer_core core({});
  (void)write(core, "abc");
  (void)core.next_chunk();
  core.sent(1);
  (void)write(core, "def");

  fail(core);

  EXPECT_EQ(core.unsent(), 0u);
  EXPECT_TRUE(core.progress().is_set());  // who waits hears of it
  EXPECT_TRUE(core.next_chunk().empty());
}

TEST(WriterCore, Failure_IsToldByEachDrainWhateverTheMark) {
  writer_core core({});
  (void)write(core, "abc");
  fail(core);

  EXPECT_THROW((void)core.drained_below(0), std::runtime_error);
  EXPECT_THROW((void)core.drained_below(1000), std::runtime_error);
}

TEST(WriterCore, BytesForAFailedStream_AreDropped) {
  writer_core core({.hard_cap = 3});
  (void)write(core, "abc");
  fail(core);

  EXPECT_EQ(write(core, "abc"), sender::exists);
  EXPECT_EQ(write(core, "beyond the cap"), sender::exists);
  EXPECT_EQ(core.unsent(), 0u);
}

TEST(WriterCore, RestForAFailedStream_IsDropped) {
  writer_core core({});
  (void)write(core, "abc");
  std::string taken = core.take_unbegun();

  fail(core);

  EXPECT_EQ(core.give_back(std::move(taken), 1), sender::exists);
  EXPECT_EQ(core.unsent(), 0u);
}

TEST(WriterCore, ReadyToClose_WaitsForAllBytes) {
  writer_core core({});
  EXPECT_TRUE(core.ready_to_close());
  (void)write(core, "a");

  EXPECT_FALSE(core.ready_to_close());
  EXPECT_EQ(send_everything(core), "a");

  EXPECT_TRUE(core.ready_to_close());
}

TEST(WriterCore, ReadyToClose_TellsAFailureThatNobodyWasTold) {
  writer_core core({});
  (void)write(core, "a");
  fail(core);

  EXPECT_THROW((void)core.ready_to_close(), std::runtime_error);
  EXPECT_TRUE(core.ready_to_close());  // told now
}

TEST(WriterCore, ReadyToClose_DoesNotRepeatAFailure) {
  writer_core core({});
  (void)write(core, "a");
  fail(core);
  EXPECT_THROW((void)core.drained_below(0), std::runtime_error);

  EXPECT_TRUE(core.ready_to_close());
}

}  // namespace
}  // namespace weft::detail
