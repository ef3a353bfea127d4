#include "async_exit_stack.h"

namespace weft {

task<bool> detail::stack_callback::call(task<> callback) {
  const cancel_shield shield;
  co_await std::move(callback);
  co_return false;
}

async_exit_stack::~async_exit_stack() {
  while (latest_ != nullptr)
    static_cast<void>(pop());  // one by one: a chain of destructors is deep
}

void async_exit_stack::push(std::unique_ptr<detail::stack_entry> entry) noexcept {
  entry->below = std::move(latest_);
  latest_ = std::move(entry);
  ++size_;
}

std::unique_ptr<detail::stack_entry> async_exit_stack::pop() noexcept {
  std::unique_ptr<detail::stack_entry> entry = std::move(latest_);
  latest_ = std::move(entry->below);
  --size_;
  return entry;
}

task<std::exception_ptr> async_exit_stack::close(std::exception_ptr error) {
  while (latest_ != nullptr) {
    const std::unique_ptr<detail::stack_entry> entry = pop();
    try {
      const bool ends = co_await entry->close(error);
      if (ends) error = nullptr;
    } catch (...) {  // takes the place of what was there
      error = std::current_exception();
    }
  }
  co_return error;
}

}  // namespace weft
