// Memory of coroutine frames in a model: each block is used once, so that the checker finds who
// touches a task that is gone. Only those who walk over all tasks may.

#include "../../../runtime/detail/frame_pool.h"

#include "../../../runtime/detail/task_state.h"
#include "../checker/execution.h"
#include "../checker/heap.h"

namespace weft::detail::frame_pool {
namespace {

// No other allocation of a model has this one.
constexpr std::size_t alignment = 128;

}  // namespace

void* allocate(std::size_t bytes) {
  if (!model::execution::inside()) return ::operator new(bytes, std::align_val_t(alignment));
  return model::heap::allocate(bytes, alignment);
}
void release(void* block, std::size_t) noexcept {
  if (!model::heap::owns(block)) return ::operator delete(block, std::align_val_t(alignment));
  model::heap::release(block);
}
std::uint8_t class_of(std::size_t) noexcept {
  return 0;
}
void release_class(void* block, std::uint8_t) noexcept {
  release(block, 0);
}

/// For diagnosis alone, which no model asks for.
bool owns(const void*) noexcept {
  return false;
}

bool visit_blocks(walk& at, bool (*visit)(void* context, task_state& header), void* context) {
  struct visitor {
    bool (*visit)(void* context, task_state& header);
    void* context;
    std::size_t to_pass;  // visited before
    std::size_t visited = 0;
    bool stopped = false;
  } part{visit, context, at.passed};
  model::heap::for_each_block(
      alignment,
      [](void* of, void* block) {
        auto* self = static_cast<visitor*>(of);
        if (self->to_pass > 0) {
          --self->to_pass;
        } else if (!self->stopped) {
          ++self->visited;
          self->stopped = !self->visit(self->context, *static_cast<task_state*>(block));
        }
      },
      &part);
  at.passed += part.visited;
  return part.stopped;
}

void for_each_block(void (*visit)(void* context, task_state& header), void* context) {
  struct visitor {
    void (*visit)(void* context, task_state& header);
    void* context;
  } each{visit, context};
  model::heap::for_each_block(
      alignment,
      [](void* of, void* block) {
        auto* self = static_cast<visitor*>(of);
        self->visit(self->context, *static_cast<task_state*>(block));
      },
      &each);
}

}  // namespace weft::detail::frame_pool
