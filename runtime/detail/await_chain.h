#pragma once

#include "frame_pool.h"
#include "io_operation.h"
#include "promise_base.h"
#include "task_state.h"

#include <coroutine>
#include <cstdint>
#include <source_location>
#include <string>

namespace weft::detail {

/// Where a coroutine will go on.
struct resume_point {
  const void* code = nullptr;  // the function that does; null: unknown
  // Behind this await; at the beginning of this coroutine. Line 0: unknown.
  std::source_location await_site;

  /// "task<> serve(tcp_stream) at /src/server.cpp:42", or what code_name() knows.
  [[nodiscard]] std::string text() const;
};

/// The innermost suspended coroutine of a task that does not run; null: none is known.
const void* innermost_frame(const task_state& task) noexcept;

/// Of a coroutine of ours, or of anybody's.
resume_point resume_point_of(const void* frame) noexcept;

/// Who awaits this coroutine of ours; null: nobody.
const void* awaiter_of(const void* frame) noexcept;

}  // namespace weft::detail
