#pragma once

// The untyped part of buffered_writer: bytes between write(), which never waits, and the task that
// sends them.
//
//   accepted_   what write() has taken since the sending task last looked
//   sending_    what that task is writing to the stream, the first sent_ bytes of which have gone
//
// The sending task exists while there are bytes: the write() that finds none spawns it, and all
// that is written before the writing task next suspends goes out together. It is shielded from
// cancellation: what was accepted is sent. When the writer is dropped it has `linger` left.

#include "../../sync/event.h"
#include "../bytes.h"

#include <chrono>
#include <cstddef>
#include <exception>
#include <mutex>
#include <span>
#include <string>
#include <utility>

namespace weft {

/// Trivial, as all options are.
struct writer_options {
  std::size_t high_water = std::size_t{64} * 1024;       // drain() waits while more is unsent
  std::size_t hard_cap = std::size_t{16} * 1024 * 1024;  // write() refuses what would exceed it
  std::chrono::milliseconds linger{5000};  // what a dropped writer has for its unsent bytes
};

namespace detail {

class writer_core {
 public:
  explicit writer_core(writer_options options) noexcept : options_(options) {}
  writer_core(const writer_core&) = delete;
  writer_core& operator=(const writer_core&) = delete;

  // The writing task.
  enum class sender : bool { exists, wanted };
  /// All or nothing: throws std::length_error beyond the hard cap. Bytes for a stream that has
  /// failed are dropped; the next drain tells. wanted: the caller spawns the sending task, or says
  /// that it could not.
  [[nodiscard]] sender write(std::span<const byte_view> parts);
  void could_not_spawn() noexcept;
  /// What the sending task has not begun with yet; the caller tries to send it himself and gives
  /// back what is left.
  [[nodiscard]] std::string take_unbegun() noexcept;
  [[nodiscard]] sender give_back(std::string&& bytes, std::size_t sent_of_them) noexcept;

  [[nodiscard]] std::size_t unsent() const noexcept;
  /// True: no more than `mark` is unsent. Throws what sending has failed with.
  [[nodiscard]] bool drained_below(std::size_t mark);
  /// As drained_below(0), but a failure that was told before does not count.
  [[nodiscard]] bool ready_to_close();
  /// Set at each progress of the sending task; cleared when drained_below() says no.
  event& progress() noexcept { return progress_; }
  event& dropped() noexcept { return dropped_; }
  [[nodiscard]] const writer_options& options() const noexcept { return options_; }

  // The sending task, and who has taken its work.
  /// What is to be sent now; empty: everything was, and the task ends.
  [[nodiscard]] byte_view next_chunk() noexcept;
  void sent(std::size_t count) noexcept;
  void failed(std::exception_ptr error) noexcept;

 private:
  [[nodiscard]] std::size_t unsent_locked() const noexcept {
    return accepted_.size() + sending_.size() - sent_;
  }
  [[nodiscard]] sender want_sender() noexcept {
    return std::exchange(sender_exists_, true) ? sender::exists : sender::wanted;
  }

  const writer_options options_;
  mutable std::mutex mutex_;
  // Guarded by mutex_; what sending_ holds is the sending task's to read.
  std::string accepted_;
  std::string sending_;
  std::size_t sent_ = 0;
  bool sender_exists_ = false;
  bool told_ = false;  // of error_
  std::exception_ptr error_;
  event progress_;
  event dropped_;
};

}  // namespace detail
}  // namespace weft
