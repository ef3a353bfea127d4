#pragma once

#include "invariants.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace weft::stress {

/// Faults that the harness builds in when it is asked to, each in its own use of the library, to
/// show that the invariant they break is really watched.
enum class plant : std::uint8_t {
  none,
  lost_wake,
  double_completion,
  broken_lock,
  double_permit,
  lost_item,
  doubled_item,
  swapped_items,
  overtaking,
  early_timer,
  undead_callback,
  swallowed_cancel,
  corrupted_byte,
  lost_job,
  leaked_task,
  leaked_descriptor,
  leaked_thread,
  leaked_memory,
  busy_idle,
  swallowed_shutdown,
  stray_exception,
};

struct plant_info {
  plant which;
  std::string_view name;
  std::string_view workload;  // where it is built in
  invariant broken;           // what must notice it
};

/// All but none.
[[nodiscard]] std::span<const plant_info> all_plants() noexcept;
/// Throws std::invalid_argument that names it.
[[nodiscard]] const plant_info& find_plant(std::string_view name);

}  // namespace weft::stress
