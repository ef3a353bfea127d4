#include <weft/net/detail/read_buffer.h>
#include <weft/runtime/error.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace weft::detail {
namespace {

/// What a read asks for at least.
constexpr std::size_t least_room = 4096;

/// As a read of the stream that brings `bytes`.
void feed(read_buffer& into, std::string_view bytes) {
  while (!bytes.empty()) {
    const byte_span room = into.room();
    const std::size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    into.commit(count);
    bytes.remove_prefix(count);
  }
}

/// Bytes that tell where they belong.
std::string counted(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; bytes.size() < count; ++i) bytes += std::to_string(i) + ",";
  bytes.resize(count);
  return bytes;
}

read_core core_of(std::string_view bytes, std::size_t limit = 1000) {
  read_core core;
  core.limit = limit;
  feed(core.bytes, bytes);
  return core;
}
read_core ended_core(std::string_view bytes, std::size_t limit = 1000) {
  read_core core = core_of(bytes, limit);
  core.ended = true;
  return core;
}

// ---- Memory -------------------------------------------------------------------------------------

TEST(ReadBuffer, NewOne_HasNoMemory) {
  const read_buffer buffer;

  EXPECT_FALSE(buffer.has_memory());
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.view(), "");
}

TEST(ReadBuffer, Committed_BytesAreSeenInOrder) {
  read_buffer buffer;

  feed(buffer, "one ");
  feed(buffer, "two");

  EXPECT_EQ(buffer.view(), "one two");
  EXPECT_EQ(buffer.size(), 7u);
}

TEST(ReadBuffer, LastByteConsumed_GivesTheMemoryBack) {
  read_buffer buffer;
  feed(buffer, "abc");

  buffer.consume(2);
  EXPECT_TRUE(buffer.has_memory());
  EXPECT_EQ(buffer.view(), "c");
  buffer.consume(1);

  EXPECT_FALSE(buffer.has_memory());
  EXPECT_EQ(buffer.size(), 0u);
}

TEST(ReadBuffer, ReadThatBroughtNothing_CanGiveTheRoomBack) {
  read_buffer buffer;
  (void)buffer.room();
  EXPECT_TRUE(buffer.has_memory());

  buffer.release_if_empty();

  EXPECT_FALSE(buffer.has_memory());
}

TEST(ReadBuffer, ReleaseIfEmpty_KeepsBytes) {
  read_buffer buffer;
  feed(buffer, "abc");

  buffer.release_if_empty();

  EXPECT_EQ(buffer.view(), "abc");
}

TEST(ReadBuffer, Room_IsNeverLessThanAPage) {
  read_buffer buffer;

  for (int i = 0; i < 300; ++i) {
    EXPECT_GE(buffer.room().size(), least_room);
    feed(buffer, std::string(997, 'x'));
  }

  EXPECT_EQ(buffer.size(), 300u * 997u);
}

TEST(ReadBuffer, RoomThatIsLargeEnough_StaysWhereItIs) {
  read_buffer buffer;
  const byte_span before = buffer.room();
  buffer.commit(before.size() - least_room);

  const byte_span after = buffer.room();

  EXPECT_EQ(after.data(), before.data() + (before.size() - least_room));
  EXPECT_EQ(after.size(), least_room);
}

TEST(ReadBuffer, Growth_KeepsTheBytes) {
  read_buffer buffer;
  const std::string sent = counted(1'000'000);

  feed(buffer, sent);

  EXPECT_TRUE(buffer.view() == sent);
}

TEST(ReadBuffer, Growth_LeavesOutWhatWasConsumed) {
  read_buffer buffer;
  const std::string sent = counted(buffer.room().size());
  feed(buffer, sent);
  buffer.consume(100);

  feed(buffer, "tail");

  EXPECT_TRUE(buffer.view() == sent.substr(100) + "tail");
}

TEST(ReadBuffer, LittleThatIsLeft_MovesToTheFrontInsteadOfGrowing) {
  read_buffer buffer;
  const std::size_t whole = buffer.room().size();
  const std::byte* const front = buffer.room().data();
  const std::string sent = counted(whole);
  feed(buffer, sent);
  buffer.consume(whole - 10);

  const byte_span room = buffer.room();

  EXPECT_EQ(room.data(), front + 10);
  EXPECT_EQ(room.size(), whole - 10);
  EXPECT_EQ(buffer.view(), sent.substr(whole - 10));
}

TEST(ReadBuffer, StreamThatIsConsumedAsItComes_NeverGrows) {
  read_buffer buffer;
  const std::size_t whole = buffer.room().size();
  const std::string sent = counted(1000);
  std::string received;
  feed(buffer, "left");  // so that it is never empty

  for (int i = 0; i < 1000; ++i) {
    feed(buffer, sent);
    EXPECT_LE(buffer.room().size(), whole);
    received += buffer.take(1000);
  }

  EXPECT_EQ(buffer.size(), 4u);
  EXPECT_TRUE(received.starts_with("left" + sent + sent));
}

TEST(ReadBuffer, GivenBackChunk_ServesTheNextBufferOfTheThread) {
  read_buffer first;
  feed(first, "abc");
  const std::byte* const chunk = first.room().data() - 3;
  first.consume(3);

  read_buffer second;

  EXPECT_EQ(second.room().data(), chunk);
}

TEST(ReadBuffer, MoreChunksThanTheThreadKeeps_AreGivenBackToo) {
  std::vector<read_buffer> buffers(100);
  for (std::size_t i = 0; i < buffers.size(); ++i) feed(buffers[i], std::to_string(i));
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(buffers[i].take(10), std::to_string(i));
    EXPECT_FALSE(buffers[i].has_memory());
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) feed(buffers[i], std::to_string(i));
  for (std::size_t i = 0; i < buffers.size(); ++i)
    EXPECT_EQ(buffers[i].view(), std::to_string(i));  // each has a chunk of its own
}

TEST(ReadBuffer, MovedFrom_IsEmpty) {
  read_buffer source;
  feed(source, "abc");

  read_buffer target(std::move(source));

  EXPECT_EQ(target.view(), "abc");
  EXPECT_FALSE(source.has_memory());  // NOLINT(bugprone-use-after-move): what it is about
  EXPECT_TRUE(source.empty());
}

TEST(ReadBuffer, MoveAssignment_TakesTheBytes) {
  read_buffer source;
  read_buffer target;
  feed(source, "new");
  feed(target, "old");

  target = std::move(source);

  EXPECT_EQ(target.view(), "new");
}

TEST(ReadBuffer, Take_GivesWhatThereIsAtMost) {
  read_buffer buffer;
  feed(buffer, "abcdef");

  EXPECT_EQ(buffer.take(0), "");
  EXPECT_EQ(buffer.take(2), "ab");
  EXPECT_EQ(buffer.take(100), "cdef");
  EXPECT_EQ(buffer.take(1), "");
  EXPECT_FALSE(buffer.has_memory());
}

// ---- Requests for a count -----------------------------------------------------------------------

TEST(ReadCoreSome, Buffered_FillsWhatWasAskedForAtMost) {
  read_core core = core_of("abcdef");
  std::array<char, 4> into{};
  read_core::some request{into};

  EXPECT_EQ(request.try_now(core), 4u);
  EXPECT_EQ(std::string_view(into.data(), 4), "abcd");
  EXPECT_EQ(request.try_now(core), 2u);
  EXPECT_EQ(std::string_view(into.data(), 4), "efcd");
  EXPECT_EQ(request.try_now(core), std::nullopt);
}

TEST(ReadCoreSome, End_IsZeroOnceAllWasTaken) {
  read_core core = ended_core("a");
  std::array<char, 4> into{};
  read_core::some request{into};

  EXPECT_EQ(request.try_now(core), 1u);
  EXPECT_EQ(request.try_now(core), 0u);
}

TEST(ReadCoreSome, NothingAskedFor_IsAnsweredAtOnceAndTakesNothing) {
  read_core core = core_of("");
  std::array<char, 0> nothing{};
  read_core::some request{nothing};

  EXPECT_EQ(request.try_now(core), 0u);
  feed(core.bytes, "abc");
  EXPECT_EQ(request.try_now(core), 0u);
  EXPECT_EQ(core.bytes.view(), "abc");
}

TEST(ReadCoreAtMost, Empty_WaitsUnlessNothingWasAskedFor) {
  read_core core = core_of("");

  EXPECT_EQ(read_core::at_most{1}.try_now(core), std::nullopt);
  EXPECT_EQ(read_core::at_most{0}.try_now(core), "");
}

TEST(ReadCoreAtMost, Buffered_IsGivenWithoutWaitingForMore) {
  read_core core = core_of("abc");

  EXPECT_EQ(read_core::at_most{2}.try_now(core), "ab");
  EXPECT_EQ(read_core::at_most{2}.try_now(core), "c");
}

TEST(ReadCoreAtMost, End_IsAnEmptyString) {
  read_core core = ended_core("");

  EXPECT_EQ(read_core::at_most{5}.try_now(core), "");
}

TEST(ReadCoreAll, Bytes_AreKeptUntilTheEnd) {
  read_core core = core_of("abc");
  EXPECT_EQ(read_core::all::try_now(core), std::nullopt);
  feed(core.bytes, "def");

  core.ended = true;

  EXPECT_EQ(read_core::all::try_now(core), "abcdef");
  EXPECT_EQ(read_core::all::try_now(core), "");
}

TEST(ReadCoreExactly, OneByteTooFew_Waits) {
  read_core core = core_of("abc");
  const read_core::exactly request{4};

  EXPECT_EQ(request.try_now(core), std::nullopt);
  EXPECT_EQ(core.bytes.view(), "abc");
  feed(core.bytes, "de");

  EXPECT_EQ(request.try_now(core), "abcd");
  EXPECT_EQ(core.bytes.view(), "e");
}

TEST(ReadCoreExactly, Zero_IsThereAlways) {
  read_core waiting = core_of("");
  read_core ended = ended_core("");

  EXPECT_EQ(read_core::exactly{0}.try_now(waiting), "");
  EXPECT_EQ(read_core::exactly{0}.try_now(ended), "");
}

TEST(ReadCoreExactly, EndBefore_TellsWhatThereWas) {
  read_core core = ended_core("abc");

  try {
    (void)read_core::exactly{4}.try_now(core);
    ADD_FAILURE();
  } catch (const incomplete_read_error& error) {
    EXPECT_EQ(error.partial, "abc");
    EXPECT_EQ(error.expected, 4u);
  }
  EXPECT_TRUE(core.bytes.empty());
}

TEST(ReadCoreExactly, AllBeforeTheEnd_IsNoError) {
  read_core core = ended_core("abc");

  EXPECT_EQ(read_core::exactly{3}.try_now(core), "abc");
}

// ---- Separators ---------------------------------------------------------------------------------

TEST(ReadCoreUntil, SeparatorInPieces_IsFound) {
  const std::string whole = "head\r\n\r\ntail";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    read_core core = core_of(whole.substr(0, cut));
    read_core::until request{"\r\n\r\n"};

    std::optional<std::string> found = request.try_now(core);
    EXPECT_EQ(found.has_value(), cut >= 8) << cut;
    feed(core.bytes, whole.substr(cut));
    if (!found) found = request.try_now(core);

    EXPECT_EQ(found, "head\r\n\r\n") << cut;
    EXPECT_EQ(core.bytes.view(), "tail") << cut;
  }
}

TEST(ReadCoreUntil, SeparatorThatComesByteByByte_IsFound) {
  read_core core = core_of("");
  read_core::until request{"aab"};

  for (const char each : std::string("xaaaa")) {
    feed(core.bytes, std::string(1, each));
    EXPECT_EQ(request.try_now(core), std::nullopt);
  }
  feed(core.bytes, "b");

  EXPECT_EQ(request.try_now(core), "xaaaab");
}

TEST(ReadCoreUntil, SeparatorAcrossTheBordersOfMemory_IsFound) {
  const std::size_t chunk = read_buffer().room().size();
  for (const std::size_t before : {chunk - 2, chunk - 1, chunk, 2 * chunk - 1}) {
    read_core core = core_of("", 1'000'000);
    read_core::until request{"--"};
    const std::string text = counted(before);

    feed(core.bytes, text);
    EXPECT_EQ(request.try_now(core), std::nullopt);
    feed(core.bytes, "-");
    EXPECT_EQ(request.try_now(core), std::nullopt);
    feed(core.bytes, "-rest");

    EXPECT_TRUE(request.try_now(core) == text + "--") << before;
    EXPECT_EQ(core.bytes.view(), "rest");
  }
}

TEST(ReadCoreUntil, FirstOfSeveral_IsTaken) {
  read_core core = core_of("a;b;c");

  EXPECT_EQ(read_core::until{";"}.try_now(core), "a;");
  EXPECT_EQ(read_core::until{";"}.try_now(core), "b;");
  EXPECT_EQ(read_core::until{";"}.try_now(core), std::nullopt);
}

TEST(ReadCoreUntil, Limit_IsTheLastPlaceWhereTheSeparatorMayBegin) {
  read_core within = core_of("12345--", 5);
  read_core beyond = core_of("123456--", 5);

  EXPECT_EQ(read_core::until{"--"}.try_now(within), "12345--");
  try {
    (void)read_core::until{"--"}.try_now(beyond);
    ADD_FAILURE();
  } catch (const limit_overrun_error& error) {
    EXPECT_EQ(error.consumed, 6u);
  }
  EXPECT_EQ(beyond.bytes.view(), "123456--");
}

TEST(ReadCoreUntil, MissingSeparator_IsWaitedForWhileItMayBeginWithinTheLimit) {
  read_core core = core_of("12345-", 5);
  read_core::until request{"--"};
  EXPECT_EQ(request.try_now(core), std::nullopt);

  feed(core.bytes, "x");

  try {
    (void)request.try_now(core);
    ADD_FAILURE();
  } catch (const limit_overrun_error& error) {
    EXPECT_EQ(error.consumed, 6u);  // the next byte may be where the separator begins
  }
  EXPECT_EQ(core.bytes.view(), "12345-x");
}

TEST(ReadCoreUntil, LimitOfNothing_TakesABareSeparator) {
  read_core core = core_of("\nx\n", 0);

  EXPECT_EQ(read_core::until{"\n"}.try_now(core), "\n");
  EXPECT_THROW((void)read_core::until{"\n"}.try_now(core), limit_overrun_error);
}

TEST(ReadCoreUntil, SkippingWhatAnOverrunTells_LosesNoSeparator) {
  read_core core = core_of("0123456789-", 4);
  std::size_t skipped = 0;
  try {
    (void)read_core::until{"--"}.try_now(core);
  } catch (const limit_overrun_error& error) {
    skipped = error.consumed;
  }
  ASSERT_EQ(skipped, 10u);

  core.bytes.consume(skipped);
  feed(core.bytes, "-");

  EXPECT_EQ(read_core::until{"--"}.try_now(core), "--");
}

TEST(ReadCoreUntil, End_TellsWhatThereWas) {
  read_core core = ended_core("no end");

  try {
    (void)read_core::until{"\n"}.try_now(core);
    ADD_FAILURE();
  } catch (const incomplete_read_error& error) {
    EXPECT_EQ(error.partial, "no end");
    EXPECT_EQ(error.expected, 0u);
  }
  EXPECT_FALSE(core.bytes.has_memory());
}

TEST(ReadCoreUntil, EmptySeparator_IsRefused) {
  read_core core = core_of("abc");

  EXPECT_THROW((void)read_core::until{""}.try_now(core), std::invalid_argument);
  EXPECT_EQ(core.bytes.view(), "abc");
}

// ---- Lines --------------------------------------------------------------------------------------

constexpr std::string_view line_ends[] = {"\n", "\r\n", "--"};

TEST(ReadCoreUntilAny, SeparatorThatEndsFirst_Wins) {
  read_core core = core_of("one--two\r\nthree\nfour");

  EXPECT_EQ(read_core::until_any{line_ends}.try_now(core), "one--");
  EXPECT_EQ(read_core::until_any{line_ends}.try_now(core), "two\r\n");
  EXPECT_EQ(read_core::until_any{line_ends}.try_now(core), "three\n");
  EXPECT_EQ(read_core::until_any{line_ends}.try_now(core), std::nullopt);
  EXPECT_EQ(core.bytes.view(), "four");
}

TEST(ReadCoreUntilAny, LongSeparatorThatBeginsFirst_LosesToTheOneThatEndsFirst) {
  constexpr std::string_view both[] = {"abcdef", "cd"};
  read_core core = core_of("-abcdef");

  EXPECT_EQ(read_core::until_any{both}.try_now(core), "-abcd");
}

TEST(ReadCoreUntilAny, SeparatorsInPieces_AreFound) {
  constexpr std::string_view both[] = {"ABC", "\n"};
  const std::string whole = "textABCtail";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    read_core core = core_of(whole.substr(0, cut));
    read_core::until_any request{both};

    std::optional<std::string> found = request.try_now(core);
    EXPECT_EQ(found.has_value(), cut >= 7) << cut;
    feed(core.bytes, whole.substr(cut));
    if (!found) found = request.try_now(core);

    EXPECT_EQ(found, "textABC") << cut;
  }
}

TEST(ReadCoreUntilAny, Limit_IsTheLastPlaceWhereASeparatorMayBegin) {
  constexpr std::string_view both[] = {"ABCDE", ";"};
  read_core within = core_of("1234;", 4);
  EXPECT_EQ(read_core::until_any{both}.try_now(within), "1234;");
  read_core beyond = core_of("12345;", 4);
  EXPECT_THROW((void)read_core::until_any{both}.try_now(beyond), limit_overrun_error);
  read_core waiting = core_of("12345678", 4);
  EXPECT_EQ(read_core::until_any{both}.try_now(waiting), std::nullopt);  // "ABCDE" may begin at 4
  feed(waiting.bytes, "9");
  EXPECT_THROW((void)read_core::until_any{both}.try_now(waiting), limit_overrun_error);
}

TEST(ReadCoreUntilAny, End_TellsWhatThereWas) {
  read_core core = ended_core("no end");
  try {
    (void)read_core::until_any{line_ends}.try_now(core);
    ADD_FAILURE();
  } catch (const incomplete_read_error& error) {
    EXPECT_EQ(error.partial, "no end");
  }
}

TEST(ReadCoreUntilAny, NoSeparatorAndAnEmptyOne_AreRefused) {
  constexpr std::string_view with_empty[] = {"\n", ""};
  read_core core = core_of("text\n");

  EXPECT_THROW((void)read_core::until_any{}.try_now(core), std::invalid_argument);
  EXPECT_THROW((void)read_core::until_any{with_empty}.try_now(core), std::invalid_argument);
}

TEST(ReadCoreLine, Ends_AreTakenOffAndConsumed) {
  read_core core = core_of("one\ntwo\r\n\n\r\n\rthree\n");

  EXPECT_EQ(read_core::line().try_now(core), "one");
  EXPECT_EQ(read_core::line().try_now(core), "two");
  EXPECT_EQ(read_core::line().try_now(core), "");
  EXPECT_EQ(read_core::line().try_now(core), "");
  EXPECT_EQ(read_core::line().try_now(core), "\rthree");  // an end only before \n
  EXPECT_FALSE(core.bytes.has_memory());
}

TEST(ReadCoreLine, OnlyOneCarriageReturn_BelongsToTheEnd) {
  read_core core = core_of("text\r\r\n");

  EXPECT_EQ(read_core::line().try_now(core), "text\r");
}

TEST(ReadCoreLine, EndInTwoPieces_IsOneEnd) {
  read_core core = core_of("text\r");
  read_core::line request;
  EXPECT_FALSE(request.try_now(core).has_value());

  feed(core.bytes, "\nnext");

  EXPECT_EQ(request.try_now(core), "text");
  EXPECT_EQ(core.bytes.view(), "next");
}

TEST(ReadCoreLine, LastLine_MayLackItsEnd) {
  read_core core = ended_core("last\r");

  EXPECT_EQ(read_core::line().try_now(core), "last\r");
  const std::optional<std::optional<std::string>> end = read_core::line().try_now(core);
  ASSERT_TRUE(end.has_value());   // an answer ...
  EXPECT_EQ(*end, std::nullopt);  // ... that there is no line
}

TEST(ReadCoreLine, Limit_CountsTheTextAndItsCarriageReturn) {
  read_core within = core_of("12345\n", 5);
  read_core beyond = core_of("12345\r\n", 5);

  EXPECT_EQ(read_core::line().try_now(within), "12345");
  EXPECT_THROW((void)read_core::line().try_now(beyond), limit_overrun_error);
  EXPECT_EQ(beyond.bytes.view(), "12345\r\n");
}

TEST(ReadCoreLine, LineThatDoesNotEnd_IsRefusedOneByteAfterTheLimit) {
  read_core core = core_of("12345", 5);
  read_core::line request;
  EXPECT_FALSE(request.try_now(core).has_value());

  feed(core.bytes, "6");

  EXPECT_THROW((void)request.try_now(core), limit_overrun_error);
  EXPECT_EQ(core.bytes.view(), "123456");
}

// ---- Failures -----------------------------------------------------------------------------------

void keep(read_core& core, int error) {
  const std::system_error failure(error, std::system_category());
  core.keep_failure(failure, std::make_exception_ptr(failure));
}

TEST(ReadCoreFailure, ErrorThatAConnectionEndsWith_IsKept) {
  for (const int error : {ECONNRESET, ETIMEDOUT, EHOSTUNREACH}) {
    read_core core = core_of("before");
    keep(core, error);

    EXPECT_THROW(core.check_not_failed(), std::system_error);
    EXPECT_EQ(core.bytes.view(), "before");
  }
}

TEST(ReadCoreFailure, ErrorThatMayPass_IsNotKept) {
  for (const int error : {EBUSY, ENOMEM, ECANCELED}) {
    read_core core = core_of("before");
    keep(core, error);

    EXPECT_NO_THROW(core.check_not_failed());
  }
}

}  // namespace
}  // namespace weft::detail
