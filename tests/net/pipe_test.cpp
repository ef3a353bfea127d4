#include "loopback.h"
#include <weft/net/buffered.h>
#include <weft/net/pipe.h>
#include <weft/net/stream.h>
#include <weft/runtime/gather.h>

#include <gtest/gtest.h>

#include <string>
#include <system_error>
#include <type_traits>

namespace weft::testing {
namespace {

static_assert(async_reader<pipe_reader> && async_writer<pipe_writer>);
static_assert(!std::is_copy_constructible_v<pipe_reader>);

class Pipe : public on_loopback {};
INSTANTIATE_TEST_SUITE_P(Workers, Pipe, one_and_two_workers(), workers_name);

task<> write_and_close(pipe_writer to, const std::string& bytes) {
  co_await to.write_all(bytes);
}

TEST_P(Pipe, Bytes_ComeOutInOrderUntilTheWriterCloses) {
  run([]() -> task<> {
    auto [reader, writer] = pipe();
    const std::string sent = pattern(1'000'000);  // many times what the kernel holds

    auto [nothing, got] =
        co_await gather(write_and_close(std::move(writer), sent), read_to_end(reader, 10'000));
    static_cast<void>(nothing);

    EXPECT_EQ(got, sent);
  });
}

TEST_P(Pipe, EmptyPipe_MakesTheReaderWait) {
  run([]() -> task<> {
    auto [reader, writer] = pipe();
    auto waiting = spawn(read_to_end(reader));
    co_await until_waiting(waiting);
    EXPECT_FALSE(waiting.done());

    const std::size_t count = co_await writer.write_some("late");
    writer.close();
    const std::string got = co_await waiting;

    EXPECT_EQ(count, 4u);
    EXPECT_EQ(got, "late");
    EXPECT_FALSE(writer.is_open());
  });
}

TEST_P(Pipe, WriterWithoutReader_FailsWithoutASignal) {
  run([]() -> task<> {
    auto [reader, writer] = pipe();
    reader.close();

    const auto outcome = co_await as_result(writer.write_some("x"));

    EXPECT_EQ(outcome.error_code(), std::errc::broken_pipe);
  });
}

TEST_P(Pipe, CancelledRead_TakesNothing) {
  run([]() -> task<> {
    auto [reader, writer] = pipe();
    auto cancelled = spawn(read_to_end(reader));
    co_await until_waiting(cancelled);
    cancelled.cancel();
    const auto code = co_await error_of(std::move(cancelled));
    co_await writer.write_all("kept");
    writer.close();

    const std::string got = co_await read_to_end(reader);

    EXPECT_FALSE(code);
    EXPECT_EQ(got, "kept");
  });
}

TEST_P(Pipe, EndThatIsClosedUnderAWait_EndsTheWait) {
  run([]() -> task<> {
    auto [reader, writer] = pipe();
    auto waiting = spawn(read_to_end(reader));
    co_await until_waiting(waiting);

    reader.close();
    const auto code = co_await error_of(std::move(waiting));

    EXPECT_EQ(code, std::errc::operation_canceled);
  });
}

TEST_P(Pipe, BufferedEnds_GiveLines) {
  run([]() -> task<> {
    auto [reader, writer] = pipe();
    buffered_reader<pipe_reader> lines(std::move(reader));
    buffered_writer<pipe_writer> out(std::move(writer));

    out.write("one\ntwo\n");
    co_await out.close();
    const auto first = co_await lines.read_line();
    const auto second = co_await lines.read_line();
    const auto end = co_await lines.read_line();

    EXPECT_EQ(first, "one");
    EXPECT_EQ(second, "two");
    EXPECT_FALSE(end.has_value());
  });
}

}  // namespace
}  // namespace weft::testing
