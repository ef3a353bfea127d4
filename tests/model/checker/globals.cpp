#include "globals.h"

#include "execution.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

// The program's own data, as the linker has laid it out.
extern "C" char __data_start[], _end[];

namespace weft::model::globals {
namespace {

struct old_value {
  void* address;
  std::uint32_t bytes;
  std::byte value[16];
};
std::vector<old_value> written;

}  // namespace

void note_write(const void* address, std::size_t bytes) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  if (at - reinterpret_cast<std::uintptr_t>(__data_start) >=
      static_cast<std::uintptr_t>(_end - __data_start))
    return;
  const execution::host_memory outside;
  for (std::size_t done = 0; done < bytes; done += sizeof(old_value::value)) {
    old_value& saved = written.emplace_back();
    saved.address = const_cast<char*>(static_cast<const char*>(address) + done);
    saved.bytes = static_cast<std::uint32_t>(std::min(bytes - done, sizeof(saved.value)));
    std::memcpy(saved.value, saved.address, saved.bytes);
  }
}

void keep() noexcept {
  written.clear();
}

void restore() noexcept {
  for (std::size_t i = written.size(); i > 0; --i) {
    const old_value& each = written[i - 1];
    std::memcpy(each.address, each.value, each.bytes);
  }
  written.clear();
}

}  // namespace weft::model::globals
