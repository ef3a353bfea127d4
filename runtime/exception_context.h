#pragma once

#include <cstdint>
#include <exception>
#include <string_view>

namespace weft {

/// Unique in the process, from 1; given to a task when somebody asks for it.
using task_id = std::uint64_t;

/// What an exception handler is told.
struct exception_context {
  std::string_view message;
  std::exception_ptr exception;  // null where there is none
  task_id task = 0;              // 0 when unknown or never asked for
};

}  // namespace weft
