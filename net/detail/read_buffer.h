#pragma once

#include "../bytes.h"

#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft::detail {

/// Bytes that were read and not consumed. Has memory only while there are any: chunks come from a
/// small cache of the thread, so that a connection which waits for its next request costs none.
class read_buffer {
 public:
  read_buffer() noexcept = default;
  read_buffer(read_buffer&& other) noexcept { swap(other); }
  read_buffer& operator=(read_buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~read_buffer() { release(); }

  [[nodiscard]] std::string_view view() const noexcept { return {memory_ + begin_, end_ - begin_}; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] bool has_memory() const noexcept { return memory_ != nullptr; }

  /// Drops bytes from the front. Requires: count <= size().
  void consume(std::size_t count) noexcept;
  std::string take(std::size_t count);
  /// Free memory behind the bytes, for a read; grows as needed. May throw std::bad_alloc.
  byte_span room();
  /// The read has filled this much of the room.
  void commit(std::size_t count) noexcept { end_ += count; }
  /// Gives the memory back if it is empty.
  void release_if_empty() noexcept {
    if (empty()) release();
  }

 private:
  void release() noexcept;
  void move_to(std::size_t capacity);
  void swap(read_buffer& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

  char* memory_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

/// The untyped part of buffered_reader: what was read, and what of it answers a request. Each
/// request has try_now(), which is empty while more bytes are needed; it consumes only what it
/// gives.
struct read_core {
  read_buffer bytes;
  std::size_t limit = 0;
  bool ended = false;          // the stream
  std::exception_ptr failure;  // ... by this

  /// Keeps an error that a connection ends with, and no other: the kernel tells it once, and then
  /// says "end", as if what came before were everything.
  void keep_failure(const std::system_error& error, std::exception_ptr what) noexcept;
  /// Throws what was kept.
  void check_not_failed() const {
    if (failure != nullptr) [[unlikely]]
      std::rethrow_exception(failure);
  }

  struct some {
    using value_type = std::size_t;
    byte_span into;
    std::optional<std::size_t> try_now(read_core& core) noexcept;
  };
  struct at_most {
    using value_type = std::string;
    std::size_t count;
    std::optional<std::string> try_now(read_core& core) const;
  };
  struct all {
    using value_type = std::string;
    static std::optional<std::string> try_now(read_core& core);
  };
  struct exactly {
    using value_type = std::string;
    std::size_t count;
    std::optional<std::string> try_now(read_core& core) const;
  };
  struct until {
    using value_type = std::string;
    std::string_view separator;
    std::size_t scanned = 0;  // the separator does not begin before this
    std::optional<std::string> try_now(read_core& core);
  };
  struct until_any {
    using value_type = std::string;
    std::span<const std::string_view> separators;
    std::size_t scanned = 0;  // none of them begins before this
    std::optional<std::string> try_now(read_core& core);
  };
  struct line {
    using value_type = std::optional<std::string>;
    std::size_t scanned = 0;  // the end does not come before this
    std::optional<std::optional<std::string>> try_now(read_core& core);
  };
};

}  // namespace weft::detail
