#include "code_name.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <cxxabi.h>
#include <dlfcn.h>
#include <link.h>

namespace weft::detail {
namespace {

/// Without what compilers append to the name of a coroutine's part (".resume", ".actor").
std::string demangled(std::string symbol) {
  symbol.resize(std::min(symbol.find('.'), symbol.size()));
  int failed = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &failed), std::free);
  return failed == 0 ? text.get() : symbol;
}

/// Programs that are not position independent are addressed as they are.
std::uintptr_t offset_in(const Dl_info& object, const void* address) noexcept {
  const auto* const header = static_cast<const ElfW(Ehdr)*>(object.dli_fbase);
  const auto absolute = reinterpret_cast<std::uintptr_t>(address);
  if (header->e_type == ET_EXEC) return absolute;
  return absolute - reinterpret_cast<std::uintptr_t>(object.dli_fbase);
}

}  // namespace

std::string code_name(const void* function) {
  Dl_info object{};
  if (::dladdr(function, &object) == 0 || object.dli_fname == nullptr) return "unknown code";
  const std::string path = object.dli_fname;
  char offset[24];
  std::snprintf(offset, sizeof offset, "+0x%zx", offset_in(object, function));
  const std::string place = path.substr(path.rfind('/') + 1) + offset;
  if (object.dli_sname == nullptr || object.dli_saddr != function) return place;
  return demangled(object.dli_sname) + " [" + place + "]";
}

}  // namespace weft::detail
