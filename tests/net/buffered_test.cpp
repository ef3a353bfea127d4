#include "loopback.h"
#include <weft/net/buffered.h>
#include <weft/runtime/select.h>

#include <array>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace weft {
namespace {

using namespace testing;

class BufferedReader : public on_loopback {};
class BufferedWriter : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, BufferedReader, one_and_two_workers(), workers_name);
INSTANTIATE_TEST_SUITE_P(Workers, BufferedWriter, one_and_two_workers(), workers_name);

/// A reader at one end, and the stream that feeds it.
struct fed_reader {
  buffered_reader<tcp_stream> reader;
  tcp_stream feed;
};
task<fed_reader> make_reader(std::size_t limit = 65536) {
  auto [near, far] = co_await connected_pair();
  co_return fed_reader{buffered_reader<tcp_stream>(std::move(near), {.limit = limit}),
                       std::move(far)};
}

/// A writer at one end, and the stream that it ends at.
struct drained_writer {
  buffered_writer<tcp_stream> writer;
  tcp_stream drain;
};
task<drained_writer> make_writer(writer_options options = {}) {
  auto [near, far] = co_await connected_pair();
  set_send_buffer(near, 65536);
  co_return drained_writer{buffered_writer<tcp_stream>(std::move(near), options), std::move(far)};
}

// ---- Reading ------------------------------------------------------------------------------------

TEST_P(BufferedReader, Lines_ComeWithoutTheirEnds) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    co_await feed.write_all("one\ntwo\r\n\nlast");
    feed.shutdown_write();

    EXPECT_EQ(co_await reader.read_line(), "one");
    EXPECT_EQ(co_await reader.read_line(), "two");
    EXPECT_EQ(co_await reader.read_line(), "");
    EXPECT_FALSE(reader.at_eof());
    EXPECT_EQ(co_await reader.read_line(), "last");
    EXPECT_EQ(co_await reader.read_line(), std::nullopt);
    EXPECT_EQ(co_await reader.read_line(), std::nullopt);
    EXPECT_TRUE(reader.at_eof());
  });
}

TEST_P(BufferedReader, LinesOfAReader_AreAGenerator) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    co_await feed.write_all("one\ntwo\r\nlast");
    feed.shutdown_write();
    auto lines = reader.lines();
    std::vector<std::string> got;

    while (auto line = co_await lines.next()) got.push_back(std::move(*line));

    EXPECT_EQ(got, (std::vector<std::string>{"one", "two", "last"}));
    EXPECT_TRUE(reader.at_eof());
  });
}

TEST_P(BufferedReader, LineInPieces_IsPutTogether) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    auto reading = spawn(
        [](buffered_reader<tcp_stream>& from) -> task<std::optional<std::string>> {
          co_return co_await from.read_line();
        },
        std::ref(reader));

    for (const char each : std::string("in pieces\r\n")) {
      co_await until_waiting(reading);
      co_await feed.write_all(std::string(1, each));
    }

    EXPECT_EQ(co_await reading, "in pieces");
  });
}

TEST_P(BufferedReader, ReadUntil_KeepsTheSeparatorAndTheRest) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    co_await feed.write_all("head--=tail");
    feed.shutdown_write();

    EXPECT_EQ(co_await reader.read_until("-="), "head--=");
    EXPECT_EQ(co_await reader.read(2), "ta");
    EXPECT_EQ(co_await reader.read_all(), "il");
    EXPECT_EQ(co_await reader.read(10), "");
  });
}

TEST_P(BufferedReader, ReadUntilSeveral_TakesTheOneThatEndsFirst) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    co_await feed.write_all("one;two\r\n");
    const std::array<std::string_view, 2> separators{"\r\n", ";"};

    EXPECT_EQ(co_await reader.read_until(separators), "one;");
    EXPECT_EQ(co_await reader.read_until(separators), "two\r\n");
    auto third = spawn([from = &reader, ends = &separators]() -> task<std::string> {
      co_return co_await from->read_until(*ends);
    });
    co_await until_waiting(third);
    co_await feed.write_all("three;");
    EXPECT_EQ(co_await third, "three;");
  });
}

TEST_P(BufferedReader, ReadUntil_TellsWhatThereWasBeforeTheEnd) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    co_await feed.write_all("no end");
    feed.shutdown_write();

    try {
      (void)co_await reader.read_until("\n");
      ADD_FAILURE();
    } catch (const incomplete_read_error& error) {
      EXPECT_EQ(error.partial, "no end");
      EXPECT_EQ(error.expected, 0u);
    }
    EXPECT_TRUE(reader.at_eof());
  });
}

TEST_P(BufferedReader, Limit_IsAnErrorThatConsumesNothing) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader(100);
    const std::string long_line(5000, 'x');
    co_await feed.write_all(long_line + "\nshort\n");

    for (int i = 0; i < 2; ++i) {
      try {
        (void)co_await reader.read_line();
        ADD_FAILURE();
      } catch (const limit_overrun_error& error) {
        EXPECT_GT(error.consumed, 100u);
      }
    }
    EXPECT_EQ(co_await reader.read_exactly(5001), long_line + "\n");
    EXPECT_EQ(co_await reader.read_line(), "short");
  });
}

TEST_P(BufferedReader, Limit_CountsWhatIsBeforeTheSeparator) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader(5);
    co_await feed.write_all("12345\n123456\n");

    EXPECT_EQ(co_await reader.read_line(), "12345");
    EXPECT_THROW(co_await reader.read_line(), limit_overrun_error);
  });
}

TEST_P(BufferedReader, ReadExactly_WaitsForAllOfThem) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    const std::string sent = pattern(300'000);
    auto writing = spawn(
        [](tcp_stream& to, const std::string& bytes) -> task<> {
          co_await to.write_all(bytes);
          co_await to.write_all("rest");
          to.shutdown_write();
        },
        std::ref(feed), std::cref(sent));

    EXPECT_TRUE(co_await reader.read_exactly(300'000) == sent);
    EXPECT_EQ(co_await reader.read_exactly(0), "");
    try {
      (void)co_await reader.read_exactly(5);
      ADD_FAILURE();
    } catch (const incomplete_read_error& error) {
      EXPECT_EQ(error.partial, "rest");
      EXPECT_EQ(error.expected, 5u);
    }
    co_await writing;
  });
}

TEST_P(BufferedReader, ReadSome_EmptiesTheBufferFirst) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    co_await feed.write_all("line\nmore");
    EXPECT_EQ(co_await reader.read_line(), "line");
    std::string into(100, '\0');
    EXPECT_EQ(co_await reader.read_some(into), 4u);
    feed.close();
    EXPECT_EQ(co_await reader.read_some(into), 0u);
    EXPECT_TRUE(reader.at_eof());
  });
}

TEST_P(BufferedReader, CancelledRead_KeepsWhatHasArrived) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    co_await feed.write_all("first ");
    const auto late = co_await as_result(wait_for(reader.read_exactly(12), 5ms));
    EXPECT_FALSE(late.has_value());

    co_await feed.write_all("second");

    EXPECT_EQ(co_await reader.read_exactly(12), "first second");
  });
}

TEST_P(BufferedReader, CancelledReadOfEveryKind_KeepsWhatHasArrived) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    co_await feed.write_all("half ");
    const auto until = co_await as_result(wait_for(reader.read_until("\n"), 2ms));
    const auto line = co_await as_result(wait_for(reader.read_line(), 2ms));
    const auto all = co_await as_result(wait_for(reader.read_all(), 2ms));
    EXPECT_FALSE(until.has_value() || line.has_value() || all.has_value());
    EXPECT_EQ(reader.buffered(), "half ");

    co_await feed.write_all("a line\nrest");
    feed.shutdown_write();

    EXPECT_EQ(co_await reader.read_line(), "half a line");
    EXPECT_EQ(co_await reader.read_all(), "rest");
  });
}

TEST_P(BufferedReader, SecondRead_IsRefusedAndTheFirstGoesOn) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    auto first = spawn(
        [](buffered_reader<tcp_stream>& from) -> task<std::optional<std::string>> {
          co_return co_await from.read_line();
        },
        std::ref(reader));
    co_await until_waiting(first);

    const auto second = co_await as_result(reader.read_exactly(1));
    co_await feed.write_all("line\n");

    EXPECT_EQ(second.error_code().value(), EBUSY);
    EXPECT_EQ(co_await first, "line");
  });
}

TEST_P(BufferedReader, ReadError_LeavesWhatIsBuffered) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    co_await feed.write_all("line\npart");
    EXPECT_EQ(co_await reader.read_line(), "line");
    abort_connection(feed);

    const auto broken = co_await as_result(reader.read_exactly(10));
    EXPECT_EQ(broken.error_code().value(), ECONNRESET);
    EXPECT_FALSE(reader.at_eof());

    EXPECT_EQ(co_await reader.read(10), "part");
    const auto later = co_await as_result(reader.read(10));
    EXPECT_EQ(later.error_code().value(), ECONNRESET);
    EXPECT_FALSE(reader.at_eof());
  });
}

TEST_P(BufferedReader, IdleReader_HoldsNoBuffer) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    const auto read_a_line =
        [](buffered_reader<tcp_stream>& from) -> task<std::optional<std::string>> {
      co_return co_await from.read_line();
    };
    for (int i = 0; i < 3; ++i) {
      auto reading = spawn(read_a_line, std::ref(reader));
      co_await until_waiting(reading);
      EXPECT_FALSE(reader.has_buffer());
      co_await feed.write_all("request\n");
      EXPECT_EQ(co_await reading, "request");
      EXPECT_FALSE(reader.has_buffer());
    }
    feed.close();
    EXPECT_EQ(co_await reader.read_line(), std::nullopt);
    EXPECT_FALSE(reader.has_buffer());
  });
}

TEST_P(BufferedReader, BufferedAnswers_LetOthersRun) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    std::string lines;
    for (int i = 0; i < 5000; ++i) lines += "x\n";
    co_await feed.write_all(lines);
    std::atomic<int> turns{0};
    auto other = spawn(
        [](std::atomic<int>& counted) -> task<> {
          for (;;) {
            ++counted;
            co_await yield();
          }
        },
        std::ref(turns));

    for (int i = 0; i < 5000; ++i) (void)co_await reader.read_line();

    EXPECT_GT(turns, 10);
    other.cancel();
    (void)co_await as_result(std::move(other));
  });
}

TEST_P(BufferedReader, EmptySeparator_IsRefused) {
  run([]() -> task<> {
    auto [reader, feed] = co_await make_reader();
    EXPECT_THROW(co_await reader.read_until(""), std::invalid_argument);
  });
}

// ---- Writing ------------------------------------------------------------------------------------

TEST_P(BufferedWriter, WrittenBytes_AreSentWithoutADrain) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    writer.write("a");
    writer.write("b");
    const std::array<byte_view, 2> parts{"c", "d"};
    writer.write(parts);

    std::string buffer(16, '\0');
    std::string got;
    while (got.size() < 4) {
      const std::size_t count = co_await drain.read_some(buffer);
      got.append(buffer, 0, count);
    }

    EXPECT_EQ(got, "abcd");
    co_await until([&] { return writer.buffered() == 0; });
  });
}

TEST_P(BufferedWriter, BytesOfOneTurn_GoOutInOneCall) {
  static std::atomic<int> sends;
  sends = 0;
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    {
      const interposed_calls counting([](detail::sys::call which, int) noexcept {
        if (which == detail::sys::call::send) ++sends;
        return 0;
      });
      for (int i = 0; i < 100; ++i) writer.write("x");
      co_await writer.flush();
    }
    EXPECT_EQ(sends, 1);
    EXPECT_EQ(writer.buffered(), 0u);
  });
}

task<> read_everything(tcp_stream& from, std::string& into) {
  into = co_await read_to_end(from, 1009);
}

TEST_P(BufferedWriter, LargeWrites_ArriveInOrder) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    std::string received;
    auto reading = spawn(read_everything(drain, received));
    const std::string sent = pattern(1'000'000);

    for (std::size_t i = 0; i < sent.size(); i += 10'000) {
      const std::string_view piece = std::string_view(sent).substr(i, 10'000);
      if (i % 30'000 == 0) {
        co_await writer.write_all(piece);
      } else {
        writer.write(piece);
        co_await writer.drain();
        EXPECT_LE(writer.buffered(), 65536u);
      }
    }
    co_await writer.close();
    co_await reading;

    EXPECT_TRUE(received == sent);
  });
}

TEST_P(BufferedWriter, Drain_WaitsWhileMuchIsUnsent) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer({.high_water = 1000});
    writer.write(std::string(10'000'000, 'x'));
    auto draining = spawn([](buffered_writer<tcp_stream>& of) -> task<> { co_await of.drain(); },
                          std::ref(writer));
    co_await until_waiting(draining);
    EXPECT_FALSE(draining.done());
    EXPECT_GT(writer.buffered(), 1000u);

    std::string received;
    auto reading = spawn(read_everything(drain, received));
    co_await draining;

    EXPECT_LE(writer.buffered(), 1000u);
    co_await writer.close();
    co_await reading;
    EXPECT_EQ(received.size(), 10'000'000u);
  });
}

TEST_P(BufferedWriter, HardCap_RefusesTheWholeWrite) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer({.high_water = 10, .hard_cap = 100});
    writer.write(std::string(100, 'x'));
    EXPECT_THROW(writer.write("y"), std::length_error);
    EXPECT_EQ(writer.buffered(), 100u);
    co_await writer.flush();
    writer.write("z");
    co_await writer.close();

    const std::string received = co_await read_to_end(drain);
    EXPECT_EQ(received, std::string(100, 'x') + "z");
  });
}

TEST_P(BufferedWriter, CancelledDrain_LosesNothing) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer({.high_water = 1000});
    const std::string sent = pattern(5'000'000);
    writer.write(sent);
    const auto late = co_await as_result(wait_for(writer.drain(), 2ms));
    EXPECT_FALSE(late.has_value());

    std::string received;
    auto reading = spawn(read_everything(drain, received));
    co_await writer.close();
    co_await reading;

    EXPECT_TRUE(received == sent);
  });
}

TEST_P(BufferedWriter, SeveralDrains_AllEnd) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer({.high_water = 1000});
    writer.write(std::string(10'000'000, 'x'));
    std::vector<join_handle<>> draining;
    for (int i = 0; i < 3; ++i) {
      draining.push_back(
          spawn([](buffered_writer<tcp_stream>& of) -> task<> { co_await of.drain(); },
                std::ref(writer)));
      co_await until_waiting(draining.back());
    }

    draining[0].cancel();
    const auto cancelled = co_await as_result(std::move(draining[0]));
    EXPECT_TRUE(cancelled.cancelled());
    EXPECT_FALSE(draining[1].done() || draining[2].done());
    std::string received;
    auto reading = spawn(read_everything(drain, received));
    co_await draining[1];
    co_await draining[2];

    co_await writer.close();
    co_await reading;
    EXPECT_EQ(received.size(), 10'000'000u);
  });
}

TEST_P(BufferedWriter, LoopTowardsADeadPeer_EndsWithAnError) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    abort_connection(drain);

    std::error_code ended;
    for (int i = 0; i < 1'000'000 && !ended; ++i) {
      writer.write("x");
      const auto drained = co_await as_result(writer.drain());
      ended = drained.error_code();
    }

    EXPECT_TRUE(ended.value() == ECONNRESET || ended.value() == EPIPE);
  });
}

TEST_P(BufferedWriter, ClosedStream_DropsWhatIsUnsent) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    constexpr std::size_t sent = 10'000'000;
    writer.write(std::string(sent, 'x'));
    for (int i = 0; i < 100; ++i) co_await yield();

    writer.stream().close();

    const std::string received = co_await read_to_end(drain);
    EXPECT_LT(received.size(), sent);
    co_await until([&] { return writer.buffered() == 0; });
  });
}

TEST_P(BufferedWriter, WriteEof_LeavesTheOtherDirectionOpen) {
  run([]() -> task<> {
    auto [near, far] = co_await connected_pair();
    auto [reader, writer] = detail::make_connection(std::move(near));
    writer.write("question");
    co_await writer.write_eof();
    EXPECT_EQ(co_await read_to_end(far), "question");

    co_await far.write_all("answer");
    far.close();

    EXPECT_EQ(co_await reader.read_all(), "answer");
  });
}

TEST_P(BufferedWriter, WriteAfterWriteEof_IsToldByDrain) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    writer.write("last words");
    co_await writer.write_eof();
    co_await writer.write_eof();

    writer.write("too late");
    const auto told = co_await as_result(writer.flush());

    EXPECT_EQ(told.error_code().value(), EPIPE);
    EXPECT_EQ(co_await read_to_end(drain), "last words");
  });
}

TEST_P(BufferedWriter, DroppedWriter_SendsWhatItHas) {
  run([]() -> task<> {
    const std::string sent = pattern(3'000'000);
    std::optional<drained_writer> pair(co_await make_writer());
    tcp_stream drain = std::move(pair->drain);
    pair->writer.write(sent);

    pair.reset();

    EXPECT_TRUE(co_await read_to_end(drain) == sent);
  });
}

TEST_P(BufferedWriter, WriterDroppedAtTheEndOfTheProgram_SendsWhatItHas) {
  std::optional<tcp_stream> far;
  const auto body = [&far]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    far = std::move(drain);
    writer.write("last words");
  };
  weft::run(body, {.workers = GetParam()});

  std::string buffer(64, '\0');
  EXPECT_EQ(far->try_read_some(buffer), 10u);
  far.reset();
  expect_clean_ledger();
}

TEST_P(BufferedWriter, DroppedWriterWhosePeerStopsReading_GivesUp) {
  run([]() -> task<> {
    std::optional<drained_writer> pair(co_await make_writer({.linger = 2ms}));
    tcp_stream drain = std::move(pair->drain);
    pair->writer.write(std::string(16'000'000, 'x'));
    for (int i = 0; i < 100; ++i) co_await yield();
    const std::int64_t before = take_ledger().fds;

    pair.reset();

    co_await until([&] { return take_ledger().fds < before; });
  });
}

TEST_P(BufferedWriter, Failure_IsToldByDrainAndNotAgainByClose) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    writer.write(std::string(10'000'000, 'x'));
    for (int i = 0; i < 100; ++i) co_await yield();
    abort_connection(drain);

    const auto flushed = co_await as_result(writer.flush());
    EXPECT_TRUE(flushed.error_code().value() == ECONNRESET ||
                flushed.error_code().value() == EPIPE);
    writer.write("dropped");
    EXPECT_EQ(writer.buffered(), 0u);
    const auto drained = co_await as_result(writer.drain());
    EXPECT_FALSE(drained.has_value());

    co_await writer.close();
  });
}

TEST_P(BufferedWriter, FailureThatNobodyWasTold_IsThrownByClose) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    writer.write(std::string(10'000'000, 'x'));
    for (int i = 0; i < 100; ++i) co_await yield();
    const std::int64_t before = take_ledger().fds;
    abort_connection(drain);

    const auto closed = co_await as_result(writer.close());

    EXPECT_TRUE(closed.error_code().value() == ECONNRESET || closed.error_code().value() == EPIPE);
    EXPECT_EQ(take_ledger().fds, before - 2);
  });
}

TEST_P(BufferedWriter, WriteSome_ComesAfterWhatIsUnsent) {
  run([]() -> task<> {
    auto [writer, drain] = co_await make_writer();
    writer.write("first ");
    const std::size_t count = co_await writer.write_some("second");
    EXPECT_EQ(count, 6u);
    co_await writer.close();
    EXPECT_EQ(co_await read_to_end(drain), "first second");
  });
}

// ---- Connections --------------------------------------------------------------------------------

class OpenConnection : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, OpenConnection, one_and_two_workers(), workers_name);

TEST_P(OpenConnection, ByAddressAndByName_GivesBothDirections) {
  run([]() -> task<> {
    tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
    const socket_address at = listener.local_address();
    for (int i = 0; i < 2; ++i) {
      auto opened = i == 0 ? open_connection(at) : open_connection("127.0.0.1", at.port());
      auto [reader, writer] = co_await std::move(opened);
      tcp_stream far = co_await listener.accept();
      co_await writer.write_all("there\n");
      std::string buffer(16, '\0');
      EXPECT_EQ(co_await far.read_some(buffer), 6u);
      co_await far.write_all("back\n");
      EXPECT_EQ(co_await reader.read_line(), "back");
      EXPECT_EQ(reader.stream().peer_address(), at);
    }
  });
}

TEST_P(OpenConnection, IdleConnection_CostsLittle) {
  static_assert(sizeof(tcp_stream) <= 32);
  static_assert(sizeof(stream_reader) <= 64);
  static_assert(sizeof(stream_writer) <= 16);
  run([]() -> task<> { co_return; });
}

}  // namespace
}  // namespace weft
