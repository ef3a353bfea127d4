#pragma once

// An open file: its descriptor, and the queue in which operations wait for it.
//
// One holder at a time uses the descriptor:
//
//   free ---- enter() ----> held by a worker, which tries what never waits ---- leave() ---+
//     |                                                                                    |
//     +------ submit() ---> held by a pool thread, which serves the queue to its end <-----+
//     |                                                                  (somebody has queued)
//     +------ close() ----> held by a pool thread, which closes it and frees this object
//
// An operation that finds it held joins the queue. So the order of the operations is the order in
// which they were awaited, whoever runs them; and the position of the file is never used by two.
//
// The object outlives its `file` until its holder has let go: an operation wakes its task, which
// may destroy the file at once, while the thread that served it still looks for the next one.

#include "../../runtime/detail/blocking_job.h"
#include "../../runtime/detail/intrusive_list.h"
#include "../../runtime/detail/spin_lock.h"
#include "file_call.h"
#include "owned_path.h"
#include "unique_fd.h"

#include <cstdint>

namespace weft::detail {

class serial_file final : private blocking_job {
 public:
  /// Null when there is no memory: then both stay the caller's.
  static serial_file* make(unique_fd&& fd, owned_path&& path) noexcept;
  /// The last call of its owner: closes it, on a pool thread if this is a worker, and frees it.
  void close() noexcept;

  /// True: the caller holds it, until leave().
  bool enter() noexcept;
  /// What was queued meanwhile is served on the pool of this runtime.
  void leave(std::uint32_t runtime) noexcept;
  /// Queues the call behind all others. False: it will not run, no thread can be had.
  bool submit(file_call& call, std::uint32_t runtime) noexcept;
  /// True: the call was still queued, and never runs.
  bool withdraw(file_call& call) noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] const owned_path& path() const noexcept { return path_; }
  /// Holder only: closes the descriptor before its time. 0 or an errno.
  int close_now() noexcept;

  // Holder only: reads were refused because the file system cannot tell what is cached.
  bool reads_may_wait = false;

 private:
  serial_file(unique_fd&& fd, owned_path&& path) noexcept;
  ~serial_file() = default;

  void serve() noexcept;
  file_call* next_or_let_go() noexcept;
  void refuse_all() noexcept;

  unique_fd fd_;     // holder only
  owned_path path_;  // immutable
  spin_lock lock_;
  // Guarded by lock_.
  intrusive_list<blocking_job> queue_;
  bool held_ = false;
  bool ownerless_ = false;
};

}  // namespace weft::detail
