#pragma once

#include <cstddef>

namespace weft::testing {

/// Calls of the global operator new so far, on all threads. A program whose tests ask gets an
/// operator new that counts. Under the thread sanitizer nothing is counted.
std::size_t allocations() noexcept;

/// Calls made while f() ran.
template <class F>
std::size_t allocations_in(F f) {
  const std::size_t before = allocations();
  f();
  return allocations() - before;
}

}  // namespace weft::testing
