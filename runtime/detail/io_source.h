#pragma once

// Readiness of one descriptor: the meeting point of one reader and one writer with the poller.
//
// Each direction has a slot, one word:
//
//   EMPTY   known not to be ready: the next operation waits without a system call
//   READY   may be ready: the next operation tries
//   CLOSED  the descriptor was closed under a waiting operation
//   else    the io_waiter that waits
//
//   operation  READY -> EMPTY, then the system call; on EAGAIN (or EMPTY from the start)
//              EMPTY -> waiter, one CAS
//   event      any -> READY, one exchange; what it found there is woken and tries again
//   cancel     waiter -> EMPTY, one CAS; who wins it owns the wake
//
// READY is consumed before the system call, and an event sets it after the bytes are there, so no
// edge is lost: either the call sees the bytes or the CAS to park fails. This is Go's netpoll
// design without its lock.
//
// Sources live in a table indexed by descriptor, in memory that is never freed, so an event that
// was fetched before a close may always look at the slot; the generation in its tag tells it that
// it came too late. A source is registered with the poller of the worker on which an operation
// first waits, once for both directions; when the runtime of that poller ends before the descriptor
// does, the next operation that waits registers it again.

#include "atomic.h"

#include <cstddef>
#include <cstdint>

namespace weft::detail {

/// Something parked in a slot. ready() runs on the thread that polls, or closes; it may wake a
/// task, after which the waiter may be gone.
struct alignas(16) io_waiter {
  void (*ready)(io_waiter& self) noexcept = nullptr;
};

enum class io_direction : std::uint8_t { read = 0, write = 1 };

class alignas(64) io_source {
 public:
  /// The source of an open descriptor that nobody uses yet, made fresh. Null: the descriptor number
  /// is beyond the table (1,048,576), or there is no memory for its part of the table (16 KiB for
  /// 256 numbers, made when the first of them is used). `read_ready`: try to read at once rather than wait for the
  /// first event.
  static io_source* open(int fd, bool read_ready) noexcept;
  /// Why open() has given none: EMFILE or ENOMEM.
  static int open_error(int fd) noexcept;
  static const std::size_t part_bytes;  // of the table
  /// The source behind an event; null if it came too late.
  static io_source* find(std::uint64_t tag) noexcept;

  /// Ends this life of the source: waiting operations fail with ECANCELED. The caller closes the
  /// descriptor afterwards.
  void close() noexcept;

  /// True if the direction may be ready; takes the readiness. One operation a direction at a time.
  bool take_ready(io_direction direction) noexcept;
  /// Puts readiness back (the last call did not drain it).
  void put_ready(io_direction direction) noexcept;
  [[nodiscard]] bool is_ready(io_direction direction) const noexcept;
  [[nodiscard]] bool is_closed(io_direction direction) const noexcept;

  enum class park_result : std::uint8_t { parked, ready, busy };
  /// Leaves the waiter in the slot. `ready`: an event came first, try again. `busy`: another
  /// operation waits here.
  park_result park(io_direction direction, io_waiter& waiter) noexcept;
  /// True: the waiter was still parked, and is not any more.
  bool unpark(io_direction direction, io_waiter& waiter) noexcept;

  /// What the poller saw. Any thread.
  void on_event(bool readable, bool writable, bool hung_up) noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint32_t generation() const noexcept {
    return generation_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t tag() const noexcept {
    return std::uint64_t{generation()} << 32 | static_cast<std::uint32_t>(fd_);
  }
  /// An end, an error or urgent data was reported: short reads prove nothing any more.
  [[nodiscard]] bool hung_up() const noexcept { return hung_up_.load(std::memory_order_relaxed); }

  /// True for the one caller that has to register the source with a poller of this runtime.
  bool begin_registration(std::uint8_t runtime) noexcept;
  /// It has none any more, or the poller has refused it: the next operation that waits asks again.
  void end_registration() noexcept;
  [[nodiscard]] bool registered() const noexcept {
    return registered_with_.load(std::memory_order_relaxed) != nobody;
  }
  /// The pollers of this runtime are about to go. What waits by them tries again, elsewhere.
  static void end_registrations(std::uint8_t runtime) noexcept;

  static std::int64_t registrations() noexcept;
  /// Does an operation wait for any descriptor of the process? Looks at all of them.
  static bool anyone_waits() noexcept;

 private:
  static constexpr std::uintptr_t empty = 0, ready = 1, closed = 2;
  static constexpr std::uint8_t nobody = 0xff;  // no runtime has this number

  template <class Visit>
  static bool visit_all(Visit visit) noexcept;
  void signal(io_direction direction) noexcept;
  static void hand_out(std::uintptr_t was) noexcept;

  //   written by  the operation of the direction, pollers, close(): any thread
  //   pairing     an event is an acq_rel exchange: the operation that takes it (acquire) sees what
  //               happened before, and who wakes a parked one (release) sees its state; open()
  //               acquires the last life's close()
  atomic<std::uintptr_t> slots_[2] = {empty, empty};
  // Counts lives of the descriptor number.
  //   written by  open and close, by the owner of the descriptor
  //   read by     find(), any thread
  //   pairing     the kernel: the tag was handed to it after this was written (epoll_ctl, kevent),
  //               and comes back with the event, under its locks. Without that order an old value
  //               would lose the edge. Relaxed, for we need no more: that an event of a former life
  //               is taken for one of this, before the new value is seen, costs a look for nothing
  atomic<std::uint32_t> generation_{0};
  // Set by pollers, read by operations; relaxed: set before the slot, whose exchange publishes it.
  atomic<bool> hung_up_{false};
  // The runtime whose poller reports it. Both directions may ask at once: a compare-exchange
  // decides. Relaxed: no data hangs on it.
  atomic<std::uint8_t> registered_with_{nobody};
  int fd_ = -1;
};

}  // namespace weft::detail
