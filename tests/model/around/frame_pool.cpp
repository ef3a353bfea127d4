// Memory of coroutine frames in a model: each block is used once, so that the checker finds who
// touches a task that is gone.

#include "../../../runtime/detail/frame_pool.h"

#include "../../../runtime/detail/atomic.h"

#include <new>

namespace weft::detail::frame_pool {
namespace {
constexpr auto alignment = std::align_val_t(cache_line);
}  // namespace

void* allocate(std::size_t bytes) {
  return ::operator new(bytes, alignment);
}
void release(void* block, std::size_t) noexcept {
  ::operator delete(block, alignment);
}
std::uint8_t class_of(std::size_t) noexcept {
  return 0;
}
void release_class(void* block, std::uint8_t) noexcept {
  ::operator delete(block, alignment);
}

}  // namespace weft::detail::frame_pool
