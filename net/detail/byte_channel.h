#pragma once

// One direction of a duplex stream: a ring of bytes between one reader and one writer.
//
// Whoever comes while the other one waits serves it at once: a write hands its bytes on to the
// waiting reader, a read takes the waiting writer's next bytes into the ring. A reader waits only
// while the ring is empty, a writer only while it is full. All under one lock; wakes come after it.

#include "../../runtime/detail/wait_node.h"
#include "../../runtime/result.h"
#include "../bytes.h"

#include <cerrno>
#include <cstddef>
#include <mutex>
#include <system_error>
#include <vector>

namespace weft::detail {

/// A read or write on its way: lies in its operation.
struct channel_transfer {
  wait_node* node = nullptr;
  std::byte* into = nullptr;        // reads
  const std::byte* from = nullptr;  // writes
  std::size_t size = 0;
  std::size_t moved = 0;
  int error = 0;
  bool all = false;  // a write that ends only when everything has moved
};

enum class channel_wait : bool { no, yes };

class byte_channel {
 public:
  explicit byte_channel(std::size_t capacity) : ring_(capacity) {}
  byte_channel(const byte_channel&) = delete;
  byte_channel& operator=(const byte_channel&) = delete;

  /// True: it has ended, transfer.moved and transfer.error say how. False: it has to wait, and with
  /// channel_wait::yes it is parked here.
  bool read(channel_transfer& transfer, channel_wait wait) noexcept;
  bool write(channel_transfer& transfer, channel_wait wait) noexcept;
  /// Takes a parked one back. False: it is on its way to be woken.
  bool withdraw(channel_transfer& transfer) noexcept;

  /// Nothing more will be written: the end of the stream, after what is in the ring.
  void end() noexcept;
  /// Nobody will write, or nobody will read any more; whoever waits on the closing side fails with
  /// ECANCELED.
  void close_writer() noexcept;
  void close_reader() noexcept;

 private:
  class wakes;

  void move_out(channel_transfer& reader) noexcept;
  void move_in(channel_transfer& writer) noexcept;
  bool serve_reader(wakes& woken) noexcept;
  void serve_writer(wakes& woken) noexcept;
  [[nodiscard]] std::size_t room() const noexcept { return ring_.size() - size_; }

  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::byte> ring_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  channel_transfer* reader_ = nullptr;
  channel_transfer* writer_ = nullptr;
  bool ended_ = false;      // by the writer
  bool abandoned_ = false;  // by the reader
};

class [[nodiscard]] channel_read : public leaf_operation<channel_read> {
 public:
  channel_read(byte_channel* channel, byte_span into) noexcept : channel_(channel) {
    transfer_.into = into.data();
    transfer_.size = into.size();
  }
  bool try_now() noexcept;
  bool publish() noexcept;
  [[nodiscard]] std::size_t take() const;
  [[nodiscard]] result<std::size_t> await_resume_result() const;

 private:
  static unlink_result take_back(wait_node& self) noexcept;

  byte_channel* channel_;
  channel_transfer transfer_;
};

/// What the two kinds of write share.
class channel_write {
 public:
  bool try_write(channel_wait wait, wait_node& node) noexcept;
  bool withdraw() noexcept { return channel_->withdraw(transfer_); }
  [[nodiscard]] std::error_code error() const noexcept {
    return {transfer_.error, std::system_category()};
  }
  /// Throws what it has failed with.
  void check() const;

 protected:
  channel_write(byte_channel* channel, byte_view from, bool all) noexcept : channel_(channel) {
    transfer_.from = from.data();
    transfer_.size = from.size();
    transfer_.all = all;
  }
  [[nodiscard]] std::size_t moved() const noexcept { return transfer_.moved; }

 private:
  byte_channel* channel_;
  channel_transfer transfer_;
};

class [[nodiscard]] channel_write_some : public leaf_operation<channel_write_some>,
                                         public channel_write {
 public:
  channel_write_some(byte_channel* channel, byte_view from) noexcept
      : channel_write(channel, from, false) {}
  bool try_now() noexcept { return try_write(channel_wait::no, *this); }
  bool publish() noexcept;
  [[nodiscard]] std::size_t take() const {
    check();
    return moved();
  }
};

class [[nodiscard]] channel_write_all : public leaf_operation<channel_write_all>,
                                        public channel_write {
 public:
  channel_write_all(byte_channel* channel, byte_view from) noexcept
      : channel_write(channel, from, true) {}
  bool try_now() noexcept { return try_write(channel_wait::no, *this); }
  bool publish() noexcept;
  void take() const { check(); }
};

}  // namespace weft::detail
