#pragma once

// The core of every operation on files: one job for the blocking pool, made of all the system calls
// of the operation.
//
// Before the job is sent, an operation may try on the worker what never waits: a read of what lies
// in the page cache (RWF_NOWAIT), an open of what the kernel has looked up before (RESOLVE_CACHED).
// Only when the kernel says that it would have to wait a thread is used.
//
// Operations on one open file are run one after the other, in the order in which they were awaited:
// they wait in the queue of its `serial_file`, and a job of that serves all who are there.
//
// Rejected: io_uring (slower than a pool for what is cached, forbidden in many containers); one
// job for each system call (a hop each); a mutex that is awaited (a frame for each operation).

#include "../../runtime/detail/blocking_job.h"
#include "../../runtime/detail/wait_node.h"
#include "../../runtime/error.h"
#include "../../runtime/result.h"

#include <cerrno>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace weft::detail {

class serial_file;

/// The untyped part. Lives in the frame that waits.
///
/// Cancellation: before its system calls begin it does nothing; from then on it cannot be
/// cancelled, and the request stays pending.
class file_call : public leaf_operation<file_call>, public blocking_job {
 public:
  bool await_ready() { return leaf_operation::await_ready() || error_ != 0; }

 protected:
  /// 0 or an errno.
  using step = int (*)(file_call& self) noexcept;
  /// `run` is called on a pool thread, once, unless `cached`, on the worker, says anything but
  /// EAGAIN. `at`: whose queue it waits in, if any.
  file_call(const wait_kind& waits_for, step run_all, step cached, serial_file* at) noexcept
      : run_all_(run_all), cached_(cached), at_(at) {
    unlink = waits_for;
  }

  /// Throws cancelled_error or timeout_error if the wait was ended.
  void check_outcome() const {
    if (outcome != wait_outcome::completed) [[unlikely]]
      throw_interrupted(outcome);
  }
  [[nodiscard]] int error() const noexcept { return error_; }
  /// It fails with this as soon as it is awaited.
  void fail(int error) noexcept { error_ = error; }

  static unlink_result take_back(wait_node& self) noexcept;

 private:
  friend leaf_operation<file_call>;
  friend serial_file;

  bool try_now() noexcept;
  bool publish() noexcept;
  void finish(int error) noexcept;
  static void run_here(blocking_job& self) noexcept;

  step run_all_;
  step cached_;  // null: everything may wait
  serial_file* at_;
  int error_ = 0;
  bool sent_ = false;
};

/// What a request must have: its system calls, and what they are called.
template <class R>
concept tries_the_cache = requires(R& request) { request.cached(); };

/// An operation with its request, which has
///
///   using value_type
///   static constexpr const char* waits_as          "fs::stat()", for dump_tasks
///   int run() noexcept                             all system calls: 0 or an errno
///   int cached() noexcept                          optional: what never waits; EAGAIN: run()
///   std::string describe() const                   what an error is called: "stat /etc"
///   value_type take()
template <class Request>
class [[nodiscard]] file_operation : public file_call {
 public:
  using value_type = typename Request::value_type;

  explicit file_operation(Request request) noexcept
      : file_call(kind, run_all, cached_step(), nullptr), request_(std::move(request)) {}
  /// One after the other at `at`; null fails with EBADF.
  file_operation(serial_file* at, Request request) noexcept
      : file_call(kind, run_all, cached_step(), at), request_(std::move(request)) {
    if (at == nullptr) fail(EBADF);
  }

  [[nodiscard]] value_type await_resume() {
    check_outcome();
    if (error() != 0) [[unlikely]]
      throw_system_error(error(), request_.describe());
    return request_.take();
  }
  [[nodiscard]] result<value_type> await_resume_result() {
    check_outcome();
    if (error() != 0)
      return {std::error_code(error(), std::system_category()), request_.describe()};
    if constexpr (std::is_void_v<value_type>) {
      return {};
    } else {
      return request_.take();
    }
  }

 private:
  static constexpr wait_kind kind{&file_call::take_back, Request::waits_as};

  static Request& of(file_call& self) noexcept {
    return static_cast<file_operation&>(self).request_;
  }
  static int run_all(file_call& self) noexcept { return of(self).run(); }
  static constexpr step cached_step() noexcept {
    if constexpr (tries_the_cache<Request>) {
      return [](file_call& self) noexcept { return of(self).cached(); };
    } else {
      return nullptr;
    }
  }

  Request request_;
};

}  // namespace weft::detail
