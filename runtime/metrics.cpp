#include "metrics.h"

#include "detail/frame_pool.h"
#include "detail/io_source.h"
#include "detail/sys.h"
#include "detail/task_state.h"
#include "detail/timer_wheel.h"

namespace weft {
namespace {

void append(std::string& text, const char* name, const char* kind, std::uint64_t value) {
  text += std::string("# TYPE weft_") + name + " " + kind + "\nweft_" + name + " " +
          std::to_string(value) + "\n";
}

}  // namespace

std::string to_prometheus(const runtime_metrics& metrics) {
  std::string text;
  append(text, "tasks_spawned_total", "counter", metrics.tasks_spawned);
  append(text, "tasks_alive", "gauge", metrics.tasks_alive);
  append(text, "polls_total", "counter", metrics.polls);
  append(text, "steals_total", "counter", metrics.steals);
  append(text, "parks_total", "counter", metrics.parks);
  append(text, "rescues_total", "counter", metrics.rescues);
  append(text, "notifications_total", "counter", metrics.notifications);
  append(text, "reactor_polls_total", "counter", metrics.reactor_polls);
  append(text, "timers_armed", "gauge", metrics.timers_armed);
  append(text, "blocking_threads", "gauge", metrics.blocking_threads);
  return text;
}

ledger take_ledger() noexcept {
  ledger alive;
  detail::frame_pool::for_each_block(
      [](void* context, detail::task_state& header) {
        auto& count = *static_cast<ledger*>(context);
        if ((header.life.load(std::memory_order_relaxed) & detail::task_life::frame) == 0) return;
        ++count.tasks;
        if (detail::is_suspended(header)) ++count.waiters;
      },
      &alive);
  const detail::frame_pool::usage memory = detail::frame_pool::take_usage();
  alive.frames = memory.blocks;
  alive.bytes = memory.bytes;
  alive.timers = detail::timer_wheel::armed();
  alive.registrations = detail::io_source::registrations();
  alive.fds = detail::sys::open_descriptors();
  return alive;
}

}  // namespace weft
