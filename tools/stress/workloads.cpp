#include "workload.h"
#include "workloads/cancel_storm.h"
#include "workloads/channel_storm.h"
#include "workloads/echo_storm.h"
#include "workloads/foreign_threads.h"
#include "workloads/fork_join.h"
#include "workloads/lock_storm.h"
#include "workloads/offload_storm.h"
#include "workloads/ping_pong.h"
#include "workloads/timer_storm.h"

namespace weft::stress {

std::vector<workload_entry> standard_workloads() {
  return {
      entry_for<fork_join>("fork-join"),
      entry_for<ping_pong>("ping-pong"),
      entry_for<channel_storm>("channel-storm"),
      entry_for<lock_storm>("lock-storm"),
      entry_for<timer_storm>("timer-storm"),
      entry_for<echo_storm>("echo-storm"),
      entry_for<offload_storm>("offload-storm"),
      entry_for<cancel_storm>("cancel-storm"),
      entry_for<foreign_threads>("foreign-threads"),
  };
}

}  // namespace weft::stress
