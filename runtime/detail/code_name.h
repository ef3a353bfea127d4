#pragma once

#include <string>

namespace weft::detail {

/// What is known of a function of this program by its address: its name where the dynamic linker
/// knows it (-rdynamic, shared libraries), and what to ask addr2line for name, file and line:
/// "serve(weft::tcp_stream) [server+0x1234]".
std::string code_name(const void* function);

/// The function that goes on with a suspended coroutine.
inline const void* code_of(const void* frame) noexcept {
  return *static_cast<const void* const*>(frame);  // the first word of a frame, in every compiler
}

}  // namespace weft::detail
