#pragma once

#include <cstddef>
#include <new>
#include <string>

namespace weft::detail {

/// The kernel has refused memory for a part of the library: says for which, how much it needs at a
/// time, and where to look.
class out_of_memory : public std::bad_alloc {
 public:
  out_of_memory(const char* part, std::size_t bytes) noexcept;
  [[nodiscard]] const char* what() const noexcept override { return what_; }

 private:
  char what_[160];
};

/// What a thread needs, for messages: "(needs 8192 KiB of address space, see ulimit -v and -u)".
std::string thread_needs();
/// A thread could not be started: `which` names it. Throws std::system_error: "thread of
/// worker 3 of 4 (needs 8192 KiB of ...): Resource temporarily unavailable".
[[noreturn]] void throw_no_thread(int error, const std::string& which);
/// io_source::open() has given none for this descriptor. Throws std::system_error: "bind
/// 127.0.0.1:80: Too many open files", or what its table needs.
[[noreturn]] void throw_no_source(int fd, const std::string& operation);

}  // namespace weft::detail
