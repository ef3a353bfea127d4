#pragma once

#include "descriptor.h"
#include "stream_operations.h"

#include <coroutine>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace weft::detail {

/// What TCP and Unix streams have in common: a connected socket. 32 bytes.
///
/// Threads: one reader and one writer at a time; a second one fails with EBUSY. Every operation
/// refers to the stream, which stays where it is until the operation has ended.
class socket_stream {
 public:
  socket_stream() noexcept = default;
  socket_stream(descriptor socket, const peer_name& peer) noexcept
      : socket_(std::move(socket)), peer_(peer) {}

  /// Reads what there is, at least one byte: how many. 0 is the end of the stream.
  /// Cancellation: takes nothing.
  read_operation read_some(byte_span into) noexcept { return {socket_.source(), into, &peer_}; }
  /// Writes what the kernel takes, at least one byte: how many.
  /// Cancellation: takes nothing.
  write_some_operation write_some(byte_view from) noexcept {
    return {socket_.source(), from, &peer_};
  }
  /// Writes everything.
  /// Cancellation: may have transferred part.
  write_all_operation write_all(byte_view from) noexcept {
    return {socket_.source(), from, &peer_};
  }
  /// Writes the parts one after the other, together in as few system calls as possible. The span
  /// stays until it has ended.
  /// Cancellation: may have transferred part.
  write_parts_operation write_all(std::span<const byte_view> parts) noexcept {
    return {socket_.source(), parts, &peer_};
  }

  /// Waits until a read, or a write, would not wait; makes no system call of its own.
  /// Cancellation: takes nothing.
  ready_operation readable() noexcept { return {socket_.source(), io_direction::read, &peer_}; }
  ready_operation writable() noexcept { return {socket_.source(), io_direction::write, &peer_}; }

  /// As read_some and write_some without waiting: empty when they would have to. Throws
  /// std::system_error.
  std::optional<std::size_t> try_read_some(byte_span into) {
    return checked(try_receive(socket_.source(), into), "read");
  }
  std::optional<std::size_t> try_write_some(byte_view from) {
    return checked(try_send(socket_.source(), from), "write");
  }

  /// Ends the outgoing direction: the peer reads the end of the stream after all that was written.
  /// Throws std::system_error; a connection that is gone already is none.
  void shutdown_write();
  /// Ends both directions at once; waiting operations fail with ECANCELED.
  void close() noexcept { socket_.close(); }
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }

  /// Throw std::system_error when the stream is closed.
  [[nodiscard]] socket_address local_address() const;
  [[nodiscard]] socket_address peer_address() const;

  /// For system calls that this type does not know; the descriptor stays ours.
  [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

  /// For the library's other operations.
  [[nodiscard]] io_source* source() const noexcept { return socket_.source(); }
  [[nodiscard]] const peer_name& peer() const noexcept { return peer_; }

 protected:
  void set_option(int level, int name, int value, const char* what);

 private:
  [[nodiscard]] std::optional<std::size_t> checked(std::int64_t outcome,
                                                   const char* operation) const;

  descriptor socket_;
  peer_name peer_;
};

/// socket_stream::shutdown_write as an awaitable of void, which never suspends: writers of other
/// kinds have to wait for it.
class [[nodiscard]] shutdown_operation {
 public:
  explicit shutdown_operation(socket_stream& stream) noexcept : stream_(&stream) {}

  bool await_ready() {
    if (std::exchange(awaited_, true)) [[unlikely]]
      throw_awaited_twice();
    return true;
  }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const { stream_->shutdown_write(); }

 private:
  socket_stream* stream_;
  bool awaited_ = false;
};

/// Throws std::system_error.
socket_address local_address_of(const descriptor& socket);

/// Shared by the halves of a stream; closes it when both are gone.
struct shared_stream {
  explicit shared_stream(socket_stream whole) noexcept : stream(std::move(whole)) {}

  socket_stream stream;
  //   written by  the halves when they end, any thread
  //   pairing     acq_rel: the last one sees what the other did
  atomic<int> halves{2};
};

/// One of two owners of a shared_stream.
class stream_half {
 public:
  explicit stream_half(shared_stream* shared) noexcept : shared_(shared) {}
  stream_half(stream_half&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  stream_half& operator=(stream_half&& other) noexcept {
    if (this != &other) {
      release();
      shared_ = std::exchange(other.shared_, nullptr);
    }
    return *this;
  }
  ~stream_half() { release(); }

  /// Null when released or moved from.
  [[nodiscard]] socket_stream* stream() const noexcept {
    return shared_ == nullptr ? nullptr : &shared_->stream;
  }
  /// The other half has gone. A snapshot that stays true.
  [[nodiscard]] bool alone() const noexcept {
    // acquire: pairs with the release of the other half.
    return shared_ != nullptr && shared_->halves.load(std::memory_order_acquire) == 1;
  }
  void release() noexcept {
    shared_stream* const shared = std::exchange(shared_, nullptr);
    // acq_rel: see halves.
    if (shared != nullptr && shared->halves.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete shared;
  }

 private:
  shared_stream* shared_;
};

}  // namespace weft::detail
