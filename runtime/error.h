#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace weft {

/// The task was asked to stop at this await. Not a std::exception: `catch (const std::exception&)`
/// never swallows it. Default constructible, so that user code may throw a fresh one after its
/// clean-up.
class cancelled_error {
 public:
  cancelled_error() noexcept = default;
  [[nodiscard]] const char* what() const noexcept { return "task cancelled"; }
};

/// A time limit (wait_for, timeout, deadline) has passed.
class timeout_error : public std::runtime_error {
 public:
  timeout_error() : std::runtime_error("timed out") {}
};

/// The object is not in a state in which the call makes sense: a second await, a result that is not
/// there yet.
class invalid_state_error : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// The stream ended inside read_exactly or read_until.
class incomplete_read_error : public std::runtime_error {
 public:
  incomplete_read_error(std::string partial_bytes, std::size_t expected_bytes);
  std::string partial;
  std::size_t expected;
};

/// No separator within the limit; nothing was consumed.
class limit_overrun_error : public std::runtime_error {
 public:
  limit_overrun_error(const std::string& what, std::size_t consumed_bytes)
      : std::runtime_error(what), consumed(consumed_bytes) {}
  std::size_t consumed;  // how many bytes may be skipped safely
};

class queue_empty : public std::runtime_error {
 public:
  queue_empty() : std::runtime_error("queue is empty") {}
};
class queue_full : public std::runtime_error {
 public:
  queue_full() : std::runtime_error("queue is full") {}
};
class queue_shut_down : public std::runtime_error {
 public:
  queue_shut_down() : std::runtime_error("queue is shut down") {}
};
class broken_barrier_error : public std::runtime_error {
 public:
  broken_barrier_error() : std::runtime_error("barrier is broken") {}
};
class broken_promise : public std::logic_error {
 public:
  broken_promise() : std::logic_error("promise dropped without a result") {}
};
class broken_process_pool : public std::runtime_error {
 public:
  broken_process_pool() : std::runtime_error("a worker process ended unexpectedly") {}
};

/// Nothing inside the runtime can ever run again: no timer, no I/O, no blocking job.
class deadlock_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Several children failed.
class exception_group : public std::exception {
 public:
  exception_group(std::string message, std::vector<std::exception_ptr> exceptions);
  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
  [[nodiscard]] std::span<const std::exception_ptr> exceptions() const noexcept {
    return exceptions_;
  }

  /// Calls f(const E&) for each member that is an E. Of a nested group its members are looked at in
  /// its place, however deep; E = exception_group asks for the nested groups themselves. Returns how
  /// many there were.
  template <class E, class F>
  std::size_t for_each(F&& f) const {
    std::size_t count = 0;
    for (const std::exception_ptr& each : exceptions_) {
      if (const exception_group* nested = as_group(each)) {
        if constexpr (std::same_as<E, exception_group>) {
          f(*nested);
          ++count;
        }
        count += nested->for_each<E>(f);
        continue;
      }
      try {
        std::rethrow_exception(each);
      } catch (const E& match) {
        f(match);
        ++count;
      } catch (...) {  // another type: not asked for
      }
    }
    return count;
  }

 private:
  static const exception_group* as_group(const std::exception_ptr& error) noexcept;

  std::string message_;
  std::vector<std::exception_ptr> exceptions_;
};

namespace detail {

/// A failed system call with the operation and its object: "connect 127.0.0.1:80: Connection
/// refused".
[[noreturn]] void throw_system_error(int error, const std::string& operation);
/// Apart, so that a coroutine which awaits another keeps no room for the exception in its frame.
/// The price is one more frame for the unwinder.
[[noreturn]] void rethrow(const std::exception_ptr& error);
[[noreturn]] void throw_invalid_state(const char* what);

}  // namespace detail
}  // namespace weft
