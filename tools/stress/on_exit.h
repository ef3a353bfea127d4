#pragma once

#include <utility>

namespace weft::stress {

/// Calls a function on every way out of a scope, also when a coroutine is cancelled or destroyed.
template <class F>
class [[nodiscard]] on_exit {
 public:
  explicit on_exit(F f) noexcept : f_(std::move(f)) {}
  on_exit(const on_exit&) = delete;
  on_exit& operator=(const on_exit&) = delete;
  ~on_exit() { f_(); }

 private:
  F f_;
};

}  // namespace weft::stress
