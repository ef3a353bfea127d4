#include "read_buffer.h"

#include "../../runtime/error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>

namespace weft::detail {
namespace {

// What one read asks for at least, and the size of cached chunks.
constexpr std::size_t chunk_bytes = std::size_t{16} * 1024;
constexpr std::size_t least_room = 4096;

/// Chunks that were given back on this thread, up to a bound; further ones go to the allocator.
class chunk_cache {
 public:
  chunk_cache() noexcept = default;
  chunk_cache(const chunk_cache&) = delete;
  chunk_cache& operator=(const chunk_cache&) = delete;
  ~chunk_cache() {
    while (count_ > 0) std::free(chunks_[--count_]);
  }
  char* take() noexcept { return count_ > 0 ? chunks_[--count_] : nullptr; }
  bool give(char* chunk) noexcept {
    if (count_ == chunks_.size()) return false;
    chunks_[count_++] = chunk;
    return true;
  }

 private:
  std::array<char*, 16> chunks_{};
  std::size_t count_ = 0;
};
thread_local chunk_cache cache;

char* allocate(std::size_t bytes) {
  char* const cached = bytes == chunk_bytes ? cache.take() : nullptr;
  if (cached != nullptr) return cached;
  auto* const memory = static_cast<char*>(std::malloc(bytes));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void deallocate(char* memory, std::size_t bytes) noexcept {
  if (bytes == chunk_bytes && cache.give(memory)) return;
  std::free(memory);
}

}  // namespace

void read_buffer::consume(std::size_t count) noexcept {
  begin_ += count;
  release_if_empty();
}

std::string read_buffer::take(std::size_t count) {
  std::string taken(view().substr(0, count));
  consume(taken.size());
  return taken;
}

void read_buffer::release() noexcept {
  if (memory_ != nullptr) deallocate(memory_, capacity_);
  memory_ = nullptr;
  begin_ = end_ = capacity_ = 0;
}

void read_buffer::move_to(std::size_t capacity) {
  char* const memory = allocate(capacity);
  const std::size_t held = size();
  if (held > 0) std::memcpy(memory, memory_ + begin_, held);
  if (memory_ != nullptr) deallocate(memory_, capacity_);
  memory_ = memory;
  begin_ = 0;
  end_ = held;
  capacity_ = capacity;
}

byte_span read_buffer::room() {
  if (memory_ == nullptr) {
    move_to(chunk_bytes);
  } else if (capacity_ - end_ < least_room) {
    if (capacity_ - size() >=
        capacity_ / 2) {  // most of it was consumed: the rest moves to the front
      std::memmove(memory_, memory_ + begin_, size());
      end_ = size();
      begin_ = 0;
    } else {
      move_to(capacity_ * 2);
    }
  }
  return {memory_ + end_, capacity_ - end_};
}

namespace {

bool ends_a_connection(const std::error_code& code) noexcept {
  if (code.category() != std::system_category() && code.category() != std::generic_category())
    return false;
  switch (code.value()) {
    case ECONNRESET:
    case ECONNABORTED:
    case ETIMEDOUT:
    case EPIPE:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case EPROTO:
    case EIO:
      return true;
    default:
      return false;
  }
}

}  // namespace

void read_core::keep_failure(const std::system_error& error, std::exception_ptr what) noexcept {
  if (ends_a_connection(error.code())) failure = std::move(what);
}

std::optional<std::size_t> read_core::some::try_now(read_core& core) noexcept {
  if (into.empty()) return 0;
  if (core.bytes.empty()) return core.ended ? std::optional<std::size_t>(0) : std::nullopt;
  const std::size_t count = std::min(into.size(), core.bytes.size());
  std::memcpy(into.data(), core.bytes.view().data(), count);
  core.bytes.consume(count);
  return count;
}

std::optional<std::string> read_core::at_most::try_now(read_core& core) const {
  if (count > 0 && core.bytes.empty() && !core.ended) return std::nullopt;
  return core.bytes.take(count);
}

std::optional<std::string> read_core::all::try_now(read_core& core) {
  if (!core.ended) return std::nullopt;
  return core.bytes.take(core.bytes.size());
}

std::optional<std::string> read_core::exactly::try_now(read_core& core) const {
  if (core.bytes.size() >= count) return core.bytes.take(count);
  if (!core.ended) return std::nullopt;
  throw incomplete_read_error(core.bytes.take(core.bytes.size()), count);
}

namespace {

/// Where a separator is.
struct separator_place {
  std::size_t begin = std::string_view::npos;
  std::size_t end = std::string_view::npos;
};

/// The separator that ends first; npos: none is in what is there, and `scanned` says up to where.
/// Throws limit_overrun_error.
separator_place find_end(const read_core& core, std::span<const std::string_view> separators,
                         std::size_t& scanned) {
  const std::string_view bytes = core.bytes.view();
  separator_place found;
  std::size_t longest = 0;
  for (const std::string_view each : separators) {
    longest = std::max(longest, each.size());
    const std::size_t begin = bytes.find(each, scanned);
    if (begin != std::string_view::npos && begin + each.size() < found.end)
      found = {.begin = begin, .end = begin + each.size()};
  }
  if (found.end == std::string_view::npos) {
    scanned = bytes.size() < longest ? 0 : bytes.size() - longest + 1;
    if (scanned > core.limit) throw limit_overrun_error("no separator within the limit", scanned);
  } else if (found.begin > core.limit) {
    throw limit_overrun_error("the separator comes after the limit", found.begin);
  }
  return found;
}

std::optional<std::string> take_until(read_core& core, std::span<const std::string_view> separators,
                                      std::size_t& scanned) {
  const auto is_empty = [](std::string_view each) { return each.empty(); };
  if (separators.empty() || std::ranges::any_of(separators, is_empty))
    throw std::invalid_argument("read_until: the separator is empty");
  const separator_place found = find_end(core, separators, scanned);
  if (found.end != std::string_view::npos) return core.bytes.take(found.end);
  if (!core.ended) return std::nullopt;
  throw incomplete_read_error(core.bytes.take(core.bytes.size()), 0);
}

}  // namespace

std::optional<std::string> read_core::until::try_now(read_core& core) {
  return take_until(core, {&separator, 1}, scanned);
}

std::optional<std::string> read_core::until_any::try_now(read_core& core) {
  return take_until(core, separators, scanned);
}

std::optional<std::optional<std::string>> read_core::line::try_now(read_core& core) {
  constexpr std::string_view end_of_line = "\n";
  const std::size_t found = find_end(core, {&end_of_line, 1}, scanned).begin;
  if (found == std::string_view::npos) {
    if (!core.ended) return std::nullopt;
    if (core.bytes.empty()) return std::make_optional<std::optional<std::string>>();
    return core.bytes.take(core.bytes.size());  // the last line may lack its end
  }
  std::string_view text = core.bytes.view().substr(0, found);
  if (text.ends_with('\r')) text.remove_suffix(1);
  std::optional<std::string> without_end(std::in_place, text);
  core.bytes.consume(found + 1);
  return without_end;
}

}  // namespace weft::detail
