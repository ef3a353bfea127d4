#include "fiber.h"

#include <cstdint>
#include <cstring>
#include <new>

#include <ucontext.h>

namespace weft::model {

#if defined(__x86_64__)

// Saves what a call preserves, and nothing else: a switch costs a few nanoseconds, where
// swapcontext() makes a system call for the signal mask.
extern "C" void weft_model_swap(void** save, void* load) noexcept;

asm(R"(
.text
.globl weft_model_swap
.type weft_model_swap, @function
weft_model_swap:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size weft_model_swap, . - weft_model_swap
)");

void fiber::prepare(std::byte* stack, std::size_t size, void (*entry)()) noexcept {
  constexpr std::size_t saved_registers = 6;
  const auto end = reinterpret_cast<std::uintptr_t>(stack + size) & ~std::uintptr_t{15};
  // A function expects to be entered with the stack 8 bytes off a multiple of 16.
  auto** top = reinterpret_cast<void**>(end - 64);
  std::memset(static_cast<void*>(top), 0, 64);
  top[saved_registers] = reinterpret_cast<void*>(entry);
  stack_pointer_ = static_cast<void*>(top);
}

void fiber::swap(fiber& from, fiber& to) noexcept {
  weft_model_swap(&from.stack_pointer_, to.stack_pointer_);
}

#else

void fiber::prepare(std::byte* stack, std::size_t size, void (*entry)()) noexcept {
  static_assert(sizeof(ucontext_t) <= sizeof(portable_));
  auto* context = ::new (static_cast<void*>(portable_)) ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = size;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  stack_pointer_ = context;
}

void fiber::swap(fiber& from, fiber& to) noexcept {
  if (from.stack_pointer_ == nullptr)
    from.stack_pointer_ = ::new (static_cast<void*>(from.portable_)) ucontext_t;
  swapcontext(static_cast<ucontext_t*>(from.stack_pointer_),
              static_cast<ucontext_t*>(to.stack_pointer_));
}

#endif

}  // namespace weft::model
