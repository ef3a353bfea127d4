#pragma once

#include "intrusive_list.h"

#include <cstdint>

namespace weft::detail {

/// What a call is for; each kind has a pool of its own in a runtime.
enum class call_kind : std::uint8_t { general, look_up };

/// One call to make. run() happens once, on a pool thread; the job may be gone when it returns.
struct blocking_job : list_node {
  void (*run)(blocking_job& self) noexcept = nullptr;
  /// It owns what it uses: nobody has to wait for it when the pool stops.
  bool self_contained = false;
  call_kind kind = call_kind::general;  // chooses the pool
};

/// Gives the job to the blocking pool of the runtime with this index, which is alive: it is that of
/// the caller's task, or of this worker. False: no thread could be started, or the pool is stopped.
/// Defined by the scheduler.
[[nodiscard]] bool submit_blocking(std::uint32_t runtime, blocking_job& job) noexcept;
/// True: the job had not begun and never will. Defined by the scheduler.
bool withdraw_blocking(std::uint32_t runtime, blocking_job& job) noexcept;

}  // namespace weft::detail
