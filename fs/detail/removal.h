#pragma once

#include <memory>
#include <string>
#include <utility>

namespace weft::detail {

/// Removes what has a path when it goes: on the blocking pool if that is on a worker, else at once.
///
/// What the job needs is allocated with the ticket, so that the removal cannot fail for want of
/// memory.
class removal_ticket {
 public:
  removal_ticket() noexcept = default;
  /// `tree`: a directory with all that is in it. Throws std::bad_alloc.
  removal_ticket(std::string path, bool tree);
  removal_ticket(removal_ticket&& other) noexcept : job_(std::exchange(other.job_, nullptr)) {}
  removal_ticket& operator=(removal_ticket&& other) noexcept;
  ~removal_ticket() { redeem(); }

  /// Empty when there is nothing to remove.
  [[nodiscard]] std::string path() const;
  /// Nothing is removed.
  void drop() noexcept;
  /// On this thread, which may block: 0 or an errno. Done once, unless it fails.
  int remove_now() noexcept;

 private:
  struct job;
  void redeem() noexcept;

  job* job_ = nullptr;
};

}  // namespace weft::detail
