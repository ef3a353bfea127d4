#include "serial_file.h"

#include "../../runtime/detail/sys_file.h"
#include "../../runtime/detail/task_state.h"

#include <cerrno>
#include <new>
#include <utility>

namespace weft::detail {

serial_file::serial_file(unique_fd&& fd, owned_path&& path) noexcept
    : fd_(std::move(fd)), path_(std::move(path)) {
  run = [](blocking_job& self) noexcept { static_cast<serial_file&>(self).serve(); };
}

serial_file* serial_file::make(unique_fd&& fd, owned_path&& path) noexcept {
  return new (std::nothrow) serial_file(std::move(fd), std::move(path));
}

bool serial_file::enter() noexcept {
  const spin_guard guard(lock_);
  return !std::exchange(held_, true);
}

void serial_file::leave(std::uint32_t runtime) noexcept {
  {
    const spin_guard guard(lock_);
    held_ = !queue_.empty() || ownerless_;
    if (!held_) return;
  }
  if (!submit_blocking(runtime, *this)) refuse_all();
}

bool serial_file::submit(file_call& call, std::uint32_t runtime) noexcept {
  {
    const spin_guard guard(lock_);
    queue_.push_back(call);
    if (std::exchange(held_, true)) return true;
  }
  if (submit_blocking(runtime, *this)) return true;
  (void)withdraw(call);  // its task does not wait yet: it is told here
  refuse_all();
  return false;
}

bool serial_file::withdraw(file_call& call) noexcept {
  const spin_guard guard(lock_);
  blocking_job& job = call;
  if (!job.linked()) return false;
  intrusive_list<blocking_job>::unlink(job);
  return true;
}

void serial_file::close() noexcept {
  {
    const spin_guard guard(lock_);
    ownerless_ = true;
    if (std::exchange(held_, true)) return;  // its holder closes it
  }
  // The last close of a file may wait for its disk.
  if (fd() >= 0 && here.runtime != no_runtime && submit_blocking(here.runtime, *this)) return;
  delete this;
}

int serial_file::close_now() noexcept {
  return -sys::close_file(fd_.release());
}

/// On a pool thread: all calls that are there, and those that come meanwhile. The object may be
/// gone afterwards.
void serial_file::serve() noexcept {
  while (file_call* call = next_or_let_go()) call->finish(call->run_all_(*call));
}

/// The oldest call; null when there is none, and then the caller holds the file no more.
file_call* serial_file::next_or_let_go() noexcept {
  bool last = false;
  {
    const spin_guard guard(lock_);
    if (blocking_job* job = queue_.pop_front()) return static_cast<file_call*>(job);
    held_ = false;
    last = ownerless_;
  }
  if (last) delete this;
  return nullptr;
}

void serial_file::refuse_all() noexcept {
  while (file_call* call = next_or_let_go()) call->finish(EAGAIN);
}

}  // namespace weft::detail
