#include "worker_buffer.h"

#include <array>

namespace weft::tools {

namespace {

constexpr std::size_t read_bytes = 16 * 1024;

}  // namespace

[[gnu::noinline]] std::span<char> worker_read_buffer() noexcept {
  thread_local std::array<char, read_bytes> buffer;
  return buffer;
}

[[gnu::noinline]] std::string& worker_write_buffer() noexcept {
  thread_local std::string buffer;
  buffer.clear();
  return buffer;
}

}  // namespace weft::tools
