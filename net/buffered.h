#pragma once

#include "../runtime/async_generator.h"
#include "../runtime/cancel.h"
#include "../runtime/select.h"
#include "../runtime/sleep.h"
#include "../runtime/spawn.h"
#include "detail/read_buffer.h"
#include "detail/ready_or_task.h"
#include "detail/writer_core.h"
#include "stream.h"
#include "tcp.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

namespace weft {

/// Trivial, as all options are.
struct buffer_options {
  std::size_t limit = std::size_t{64} * 1024;  // of what read_until and read_line look through
};

/// Reads lines, records and whole streams from S: asyncio's StreamReader.
///
/// While it waits with nothing buffered it holds no buffer, where S can tell that it is readable
/// (the sockets can). What has been read and not asked for yet stays when an operation is
/// cancelled or fails: it can be read afterwards, and reads that need more throw the failure of the
/// connection again.
/// Threads: one task at a time. It stays where it is while an operation waits.
/// Cost: nothing is allocated where the answer is buffered already, but for the string that is
/// returned.
template <async_reader S>
class buffered_reader {
  template <class What>
  class request;
  template <class What>
  using operation = detail::ready_or_task<request<What>>;

 public:
  explicit buffered_reader(S stream, buffer_options options = {}) : stream_(std::move(stream)) {
    core_.limit = options.limit;
  }

  /// What there is, at least one byte; 0 is the end of the stream. Without a detour when nothing is
  /// buffered. Cancellation of this and all below: takes nothing.
  [[nodiscard]] auto read_some(byte_span into) { return start(detail::read_core::some{into}); }
  /// Up to `at_most` bytes, at least one; empty at the end of the stream.
  [[nodiscard]] auto read(std::size_t at_most) {
    return start(detail::read_core::at_most{at_most});
  }
  /// Everything up to the end of the stream. Unbounded: for peers that are trusted.
  [[nodiscard]] auto read_all() { return start(detail::read_core::all{}); }
  /// Exactly `count` bytes. Throws incomplete_read_error, with what there was, when the stream ends
  /// before.
  [[nodiscard]] auto read_exactly(std::size_t count) {
    return start(detail::read_core::exactly{count});
  }
  /// Up to the separator, and with it. Throws limit_overrun_error when it does not begin within the
  /// limit: nothing is consumed then; incomplete_read_error, with what there was, when the stream
  /// ends before.
  [[nodiscard]] auto read_until(std::string_view separator) {
    return start(detail::read_core::until{separator});
  }
  /// Up to the one of several separators that ends first, and with it. They stay where they are
  /// until it has ended. Throws as with one.
  [[nodiscard]] auto read_until(std::span<const std::string_view> separators) {
    return start(detail::read_core::until_any{separators});
  }
  /// A line without its end (\n or \r\n); the last one may lack it. Empty optional at the end of
  /// the stream. Throws limit_overrun_error as read_until.
  [[nodiscard]] auto read_line() { return start(detail::read_core::line{}); }
  /// All lines up to the end of the stream: `while (auto line = co_await lines.next())`.
  async_generator<std::string> lines() {
    for (;;) {
      std::optional<std::string> line = co_await read_line();
      if (!line) co_return;
      co_yield std::move(*line);
    }
  }

  /// The end of the stream was seen, and everything before it was consumed.
  [[nodiscard]] bool at_eof() const noexcept { return core_.ended && core_.bytes.empty(); }
  /// Bytes that were read and not consumed.
  [[nodiscard]] std::string_view buffered() const noexcept { return core_.bytes.view(); }
  [[nodiscard]] std::size_t limit() const noexcept { return core_.limit; }
  /// It holds memory for bytes.
  [[nodiscard]] bool has_buffer() const noexcept { return core_.bytes.has_memory(); }
  [[nodiscard]] S& stream() noexcept { return stream_; }

 private:
  static constexpr bool pollable = requires(S& s, byte_span into) {
    { s.readable() } -> awaitable;
    { s.try_read_some(into) } -> std::same_as<std::optional<std::size_t>>;
  };

  template <class What>
  operation<What> start(What what) {
    return operation<What>(request<What>(*this, what));
  }
  template <class What>
  static task<typename What::value_type> answer(buffered_reader& self, What what);

  S stream_;
  detail::read_core core_;
};

template <async_reader S>
template <class What>
class buffered_reader<S>::request {
 public:
  using value_type = typename What::value_type;
  request(buffered_reader& reader, What what) noexcept : reader_(&reader), what_(what) {}
  std::optional<value_type> try_now() { return what_.try_now(reader_->core_); }
  task<value_type> wait() { return answer(*reader_, what_); }

 private:
  buffered_reader* reader_;
  What what_;
};

/// Reads until there is an answer.
template <async_reader S>
template <class What>
task<typename What::value_type> buffered_reader<S>::answer(buffered_reader& self, What what) {
  detail::read_core& core = self.core_;
  core.check_not_failed();
  try {
    if constexpr (std::same_as<What, detail::read_core::some>) {
      // Nothing is buffered: straight into its place.
      const std::size_t count = co_await self.stream_.read_some(what.into);
      core.ended = core.ended || count == 0;
      co_return count;
    } else {
      for (;;) {
        std::size_t count = 0;
        if constexpr (pollable) {
          co_await self.stream_.readable();
          const std::optional<std::size_t> got = self.stream_.try_read_some(core.bytes.room());
          if (!got) {
            core.bytes.release_if_empty();
            continue;
          }
          count = *got;
        } else {
          count = co_await self.stream_.read_some(core.bytes.room());
        }
        core.bytes.commit(count);
        core.ended = count == 0;
        if (core.ended) core.bytes.release_if_empty();
        if (auto value = what.try_now(core)) co_return std::move(*value);
      }
    }
  } catch (const std::system_error& error) {
    core.keep_failure(error, std::current_exception());
    core.bytes.release_if_empty();
    throw;
  }
}

/// Writes through a buffer: asyncio's StreamWriter, with back-pressure by drain() and a hard bound.
///
/// write() never waits: a task of its own sends the bytes, all that was written before the caller
/// next suspends in one system call. Dropped with unsent bytes it goes on sending for
/// options.linger, then gives up. After a failure further bytes are dropped, and drain(), flush()
/// and write_all() throw it.
/// Threads: one task at a time.
template <async_writer S>
class buffered_writer {
  struct shared : detail::writer_core, std::enable_shared_from_this<shared> {
    shared(S s, writer_options options) : writer_core(options), stream(std::move(s)) {}
    S stream;
  };
  class drain_request;
  class write_all_request;

 public:
  explicit buffered_writer(S stream, writer_options options = {})
      : shared_(std::make_shared<shared>(std::move(stream), options)) {}
  buffered_writer(buffered_writer&&) noexcept = default;
  buffered_writer& operator=(buffered_writer&& other) noexcept {
    if (this != &other) {
      drop();
      shared_ = std::move(other.shared_);
    }
    return *this;
  }
  ~buffered_writer() { drop(); }

  /// Takes the bytes, all or none: throws std::length_error when more than options.hard_cap would
  /// be unsent.
  void write(byte_view bytes) { write(std::span(&bytes, 1)); }
  void write(std::span<const byte_view> parts) {
    if (shared_->write(parts) == detail::writer_core::sender::wanted) spawn_sender(*shared_);
  }
  /// Waits until no more than options.high_water is unsent. Cancellation: takes nothing.
  [[nodiscard]] detail::ready_or_task<drain_request> drain() {
    return detail::ready_or_task<drain_request>(
        drain_request(*shared_, shared_->options().high_water));
  }
  /// Waits until everything was given to the kernel. Cancellation: takes nothing.
  [[nodiscard]] detail::ready_or_task<drain_request> flush() {
    return detail::ready_or_task<drain_request>(drain_request(*shared_, 0));
  }
  /// write() and flush(), without a copy where nothing else is unsent.
  /// Cancellation: may have transferred part.
  [[nodiscard]] detail::ready_or_task<write_all_request> write_all(byte_view bytes) {
    return detail::ready_or_task<write_all_request>(write_all_request(*shared_, bytes));
  }
  /// What the stream takes now, after what is unsent. Cancellation: takes nothing.
  [[nodiscard]] task<std::size_t> write_some(byte_view bytes) {
    return write_after_flush(shared_, bytes);
  }
  /// flush(), then ends the outgoing direction.
  [[nodiscard]] task<> write_eof() { return end_after_flush(shared_); }
  /// flush(), then closes the stream, whatever the flush has met with. Throws what was lost, if no
  /// other call has told.
  /// Cancellation: the writer stays open, with what is unsent.
  [[nodiscard]] task<> close() { return close_after_flush(shared_); }

  /// Bytes that the stream has not taken yet.
  [[nodiscard]] std::size_t buffered() const noexcept { return shared_->unsent(); }
  [[nodiscard]] S& stream() noexcept { return shared_->stream; }

 private:
  static constexpr bool pollable = requires(S& s, byte_view from) {
    { s.writable() } -> awaitable;
    { s.try_write_some(from) } -> std::same_as<std::optional<std::size_t>>;
  };

  static void spawn_sender(shared& state);
  static task<> send(std::shared_ptr<shared> state);
  static task<std::size_t> wait_and_send(shared& state, byte_view chunk,
                                         clock::time_point& give_up);
  static std::size_t send_what_fits(shared& state, byte_view bytes);
  static void send_now(shared& state);
  void drop() noexcept;

  static task<> wait_until_drained(shared& state, std::size_t mark);
  static task<> write_directly(shared& state, byte_view bytes);
  static task<std::size_t> write_after_flush(std::shared_ptr<shared> state, byte_view bytes);
  static task<> end_after_flush(std::shared_ptr<shared> state);
  static task<> close_after_flush(std::shared_ptr<shared> state);

  std::shared_ptr<shared> shared_;
};

using stream_reader = buffered_reader<tcp_stream::read_half>;
using stream_writer = buffered_writer<tcp_stream::write_half>;

/// Both directions of a TCP connection.
struct connection {
  stream_reader reader;
  stream_writer writer;
};

/// Connects as tcp_stream::connect, with buffers; also to a Unix socket ("unix:/run/my.sock").
[[nodiscard]] task<connection> open_connection(const socket_address& to);
[[nodiscard]] task<connection> open_connection(std::string_view host, std::uint16_t port);

namespace detail {

/// A stream's two directions, each with its buffer.
connection make_connection(tcp_stream stream);

}  // namespace detail

// ---- The writer ---------------------------------------------------------------------------------

template <async_writer S>
class buffered_writer<S>::drain_request {
 public:
  using value_type = void;
  drain_request(shared& state, std::size_t mark) noexcept : state_(&state), mark_(mark) {}
  std::optional<std::monostate> try_now() {
    if (mark_ == 0) send_now(*state_);
    if (state_->drained_below(mark_)) return std::monostate();
    return std::nullopt;
  }
  task<> wait() { return wait_until_drained(*state_, mark_); }

 private:
  shared* state_;
  std::size_t mark_;
};

template <async_writer S>
class buffered_writer<S>::write_all_request {
 public:
  using value_type = void;
  write_all_request(shared& state, byte_view bytes) noexcept : state_(&state), bytes_(bytes) {}
  std::optional<std::monostate> try_now() {
    send_now(*state_);
    if (!state_->drained_below(0)) return std::nullopt;
    bytes_ = bytes_.subspan(send_what_fits(*state_, bytes_));
    return bytes_.empty() ? std::optional(std::monostate()) : std::nullopt;
  }
  task<> wait() { return write_directly(*state_, bytes_); }

 private:
  shared* state_;
  byte_view bytes_;
};

/// What the stream takes without waiting.
template <async_writer S>
std::size_t buffered_writer<S>::send_what_fits(shared& state, byte_view bytes) {
  std::size_t sent = 0;
  if constexpr (pollable) {
    while (sent < bytes.size()) {
      const std::optional<std::size_t> taken = state.stream.try_write_some(bytes.subspan(sent));
      if (!taken) break;
      sent += *taken;
    }
  }
  return sent;
}

/// Does the sending task's work, where that has not begun and nothing has to wait.
template <async_writer S>
void buffered_writer<S>::send_now(shared& state) {
  if constexpr (pollable) {
    std::string bytes = state.take_unbegun();
    if (bytes.empty()) return;
    std::size_t sent = 0;
    try {
      sent = send_what_fits(state, bytes);
    } catch (...) {  // told by the next drain
      return state.failed(std::current_exception());
    }
    if (state.give_back(std::move(bytes), sent) == detail::writer_core::sender::wanted)
      spawn_sender(state);
  }
}

template <async_writer S>
void buffered_writer<S>::spawn_sender(shared& state) {
  try {
    spawn(send(state.shared_from_this()), {.name = "buffered_writer"});
  } catch (...) {  // no memory, or no runtime
    state.could_not_spawn();
    throw;
  }
}

template <async_writer S>
task<> buffered_writer<S>::send(std::shared_ptr<shared> state) {
  const cancel_shield shield;  // what was accepted is sent
  try {
    clock::time_point give_up = clock::time_point::max();
    for (byte_view chunk = state->next_chunk(); !chunk.empty(); chunk = state->next_chunk()) {
      std::size_t count = 0;
      if (detail::here.budget-- <= 0) co_await yield();
      if constexpr (pollable) count = state->stream.try_write_some(chunk).value_or(0);
      if (count == 0) count = co_await wait_and_send(*state, chunk, give_up);
      state->sent(count);
    }
  } catch (...) {  // told by the next drain
    state->failed(std::current_exception());
  }
}

/// Waits until the chunk can be sent (gives 0 then), or until some of it was; once the writer was
/// dropped, not for ever.
template <async_writer S>
task<std::size_t> buffered_writer<S>::wait_and_send(shared& state, byte_view chunk,
                                                    clock::time_point& give_up) {
  const auto attempt = [&] {
    if constexpr (pollable) {
      return state.stream.writable();
    } else {
      return state.stream.write_some(chunk);
    }
  };
  const auto count_of = [](const auto& first) -> std::size_t {
    if constexpr (pollable) {
      return 0;
    } else {
      return std::get<0>(first);
    }
  };
  if (!state.dropped().is_set()) {
    const auto first = co_await select(attempt(), state.dropped().wait());
    if (first.index() == 0) co_return count_of(first);
  }
  if (give_up == clock::time_point::max()) give_up = clock::now() + state.options().linger;
  const auto first = co_await select(attempt(), sleep_until(give_up));
  if (first.index() == 0) co_return count_of(first);
  throw timeout_error();
}

template <async_writer S>
void buffered_writer<S>::drop() noexcept {
  if (shared_ == nullptr) return;
  try {
    send_now(*shared_);
  } catch (...) {  // no task can be spawned: what is left is lost
  }
  shared_->dropped().set();
  shared_ = nullptr;
}

template <async_writer S>
task<> buffered_writer<S>::wait_until_drained(shared& state, std::size_t mark) {
  while (!state.drained_below(mark)) co_await state.progress().wait();
}

template <async_writer S>
task<> buffered_writer<S>::write_directly(shared& state, byte_view bytes) {
  while (!state.drained_below(0)) co_await state.progress().wait();
  if constexpr (requires { state.stream.write_all(bytes); }) {
    co_await state.stream.write_all(bytes);
  } else {
    while (!bytes.empty()) {
      const std::size_t taken = co_await state.stream.write_some(bytes);
      bytes = bytes.subspan(taken);
    }
  }
}

template <async_writer S>
task<std::size_t> buffered_writer<S>::write_after_flush(std::shared_ptr<shared> state,
                                                        byte_view bytes) {
  send_now(*state);
  while (!state->drained_below(0)) co_await state->progress().wait();
  co_return co_await state->stream.write_some(bytes);
}

template <async_writer S>
task<> buffered_writer<S>::end_after_flush(std::shared_ptr<shared> state) {
  send_now(*state);
  while (!state->drained_below(0)) co_await state->progress().wait();
  if constexpr (requires {
                  { state->stream.shutdown_write() } -> awaitable;
                }) {
    co_await state->stream.shutdown_write();
  } else {
    state->stream.shutdown_write();
  }
}

template <async_writer S>
task<> buffered_writer<S>::close_after_flush(std::shared_ptr<shared> state) {
  std::exception_ptr lost;
  try {
    send_now(*state);
    while (!state->ready_to_close()) co_await state->progress().wait();
  } catch (const cancelled_error&) {
    throw;
  } catch (const timeout_error&) {  // of a deadline
    throw;
  } catch (...) {  // the connection has failed: there is nothing to flush any more
    lost = std::current_exception();
  }
  if constexpr (requires {
                  { state->stream.close() } -> awaitable;
                }) {
    co_await state->stream.close();
  } else {
    state->stream.close();
  }
  if (lost != nullptr) std::rethrow_exception(lost);
}

}  // namespace weft
