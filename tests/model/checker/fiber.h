#pragma once

// Coroutines with stacks of their own: what the threads of a model really are.

#include <cstddef>

namespace weft::model {

/// A suspended flow of control. Threads: one OS thread runs all of them.
class fiber {
 public:
  /// Prepares a flow that begins with `entry`, which never returns, on the given stack.
  void prepare(std::byte* stack, std::size_t size, void (*entry)()) noexcept;

  /// Suspends the running flow in `from` and continues `to`.
  static void swap(fiber& from, fiber& to) noexcept;

 private:
  void* stack_pointer_ = nullptr;
  // A ucontext_t, where there is no assembly for the CPU.
  [[maybe_unused]] alignas(16) std::byte portable_[1024];
};

}  // namespace weft::model
