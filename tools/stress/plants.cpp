#include "plants.h"

#include <array>
#include <stdexcept>
#include <string>

namespace weft::stress {

namespace {

constexpr std::array plants{
    plant_info{plant::lost_wake, "lost-wake", "ping-pong", invariant::no_lost_wakeup},
    plant_info{plant::double_completion, "double-completion", "fork-join", invariant::exactly_once},
    plant_info{plant::broken_lock, "broken-lock", "lock-storm", invariant::exclusion},
    plant_info{plant::double_permit, "double-permit", "lock-storm", invariant::permits_conserved},
    plant_info{plant::lost_item, "lost-item", "channel-storm", invariant::items_conserved},
    plant_info{plant::doubled_item, "doubled-item", "channel-storm", invariant::items_conserved},
    plant_info{plant::swapped_items, "swapped-items", "channel-storm",
               invariant::first_in_first_out},
    plant_info{plant::overtaking, "overtaking", "lock-storm", invariant::first_in_first_out},
    plant_info{plant::early_timer, "early-timer", "timer-storm", invariant::timers_never_early},
    plant_info{plant::undead_callback, "undead-callback", "timer-storm", invariant::exactly_once},
    plant_info{plant::swallowed_cancel, "swallowed-cancel", "cancel-storm",
               invariant::cancellation},
    plant_info{plant::corrupted_byte, "corrupted-byte", "echo-storm", invariant::bytes_intact},
    plant_info{plant::lost_job, "lost-job", "offload-storm", invariant::exactly_once},
    plant_info{plant::leaked_task, "leaked-task", "fork-join", invariant::nothing_left},
    plant_info{plant::leaked_descriptor, "leaked-descriptor", "echo-storm",
               invariant::descriptors_baseline},
    plant_info{plant::leaked_thread, "leaked-thread", "offload-storm", invariant::threads_baseline},
    plant_info{plant::leaked_memory, "leaked-memory", "fork-join", invariant::memory_baseline},
    plant_info{plant::busy_idle, "busy-idle", "ping-pong", invariant::idle_is_idle},
    plant_info{plant::swallowed_shutdown, "swallowed-shutdown", "cancel-storm",
               invariant::shutdown_ends},
    plant_info{plant::stray_exception, "stray-exception", "fork-join",
               invariant::no_unexpected_failure},
};

}  // namespace

std::span<const plant_info> all_plants() noexcept {
  return plants;
}

const plant_info& find_plant(std::string_view name) {
  for (const plant_info& each : plants) {
    if (each.name == name) return each;
  }
  throw std::invalid_argument('"' + std::string(name) + "\" is not one of --list-plants");
}

}  // namespace weft::stress
