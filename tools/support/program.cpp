#include "program.h"

#include <cerrno>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace weft::tools {

namespace {

void open_closed_standard_streams() noexcept {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    const bool is_closed = ::fcntl(fd, F_GETFD) == -1 && errno == EBADF;
    // The lowest free number is taken, which is fd itself.
    if (is_closed) (void)::open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
  }
}

rlimit descriptor_limit() noexcept {
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return limit;
}

/// What a user can do about it, for the limits that people meet.
std::string advice(const std::error_code& code) {
  if (code == std::errc::too_many_files_open) {
    return " (too few file descriptors: the limit is " +
           std::to_string(descriptor_limit().rlim_cur) + ", see ulimit -n)";
  }
  if (code == std::errc::resource_unavailable_try_again) {
    return " (too few threads or processes, see ulimit -u)";
  }
  return "";
}

int fail(std::string_view name, const std::string& reason) {
  std::cerr << name << ": " << reason << std::endl;
  return exit_failed;
}

}  // namespace

int run_program(std::string_view name, const std::function<int()>& body) {
  open_closed_standard_streams();
  try {
    const int code = body();
    require_output();
    return code;
  } catch (const std::system_error& error) {
    return fail(name, error.what() + advice(error.code()));
  } catch (const std::exception& error) {
    return fail(name, error.what());
  }
}

void require_output() {
  if (!std::cout.flush()) throw std::runtime_error("cannot write to the standard output");
}

void raise_descriptor_limit() noexcept {
  rlimit limit = descriptor_limit();
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

void require_descriptors(std::size_t needed) {
  raise_descriptor_limit();
  const std::size_t available = descriptor_limit().rlim_cur;
  if (available >= needed) return;
  throw std::runtime_error("too few file descriptors: " + std::to_string(needed) +
                           " are needed, the limit is " + std::to_string(available) +
                           " (see ulimit -n)");
}

}  // namespace weft::tools
