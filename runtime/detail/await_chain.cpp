#include "await_chain.h"

#include "code_name.h"

namespace weft::detail {
namespace {

const promise_base& promise_of(const void* frame) noexcept {
  return std::coroutine_handle<promise_base>::from_address(const_cast<void*>(frame)).promise();
}

}  // namespace

std::string resume_point::text() const {
  if (await_site.line() == 0) return code == nullptr ? "unknown code" : code_name(code);
  return std::string(await_site.function_name()) + " at " + await_site.file_name() + ':' +
         std::to_string(await_site.line());
}

const void* innermost_frame(const task_state& task) noexcept {
  const auto leaf = reinterpret_cast<std::uintptr_t>(task.leaf);
  void* const target = reinterpret_cast<void*>(leaf & ~leaf_tag::mask);
  if ((leaf & leaf_tag::retry) == 0) return target;
  return static_cast<const retry_node*>(target)->waiter.address();
}

resume_point resume_point_of(const void* frame) noexcept {
  if (frame == nullptr) return {};
  // Of a coroutine of another library nothing is known but its code.
  if (!frame_pool::owns(frame)) return {.code = code_of(frame), .await_site = {}};
  return {.code = code_of(frame), .await_site = promise_of(frame).await_site};
}

const void* awaiter_of(const void* frame) noexcept {
  return promise_of(frame).continuation.address();
}

}  // namespace weft::detail
