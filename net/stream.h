#pragma once

#include "../runtime/awaitable.h"
#include "bytes.h"

#include <concepts>
#include <cstddef>

namespace weft {

/// Something that bytes can be read from: read_some() gives at least one, or 0 at the end.
template <class S>
concept async_reader = requires(S& s, byte_span into) {
  { s.read_some(into) } -> awaitable;
  requires std::same_as<await_result_t<decltype(s.read_some(into))>, std::size_t>;
};

/// Something that bytes can be written to: write_some() takes at least one.
template <class S>
concept async_writer = requires(S& s, byte_view from) {
  { s.write_some(from) } -> awaitable;
  requires std::same_as<await_result_t<decltype(s.write_some(from))>, std::size_t>;
};

}  // namespace weft
