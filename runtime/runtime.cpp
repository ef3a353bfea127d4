#include "runtime.h"

#include "detail/debug_reports.h"
#include "detail/inspection.h"
#include "detail/io_source.h"
#include "detail/remote_function.h"
#include "detail/scheduler.h"
#include "detail/sigint_guard.h"
#include "detail/sys.h"

#include <algorithm>
#include <csignal>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sched.h>

namespace weft {
namespace {

/// CPUs this process may use, which in a container are fewer than the machine has.
unsigned usable_cpus() noexcept {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof cpus, &cpus) != 0)
    return std::max(1u, std::thread::hardware_concurrency());
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&cpus)));
}

detail::scheduler_options core_options(const runtime_options& options) {
  detail::serve_if_pool_process();  // main() has come far enough
  if (options.workers > detail::idle_set::workers_max) {
    throw std::invalid_argument("runtime_options::workers: at most " +
                                std::to_string(detail::idle_set::workers_max));
  }
  detail::scheduler_options core;
  core.workers = options.workers == 0 ? std::min(usable_cpus(), detail::idle_set::workers_max)
                                      : static_cast<unsigned>(options.workers);
  core.blocking_threads_max = options.max_blocking_threads;
  core.blocking_keep_alive = options.blocking_keep_alive;
  core.debug = options.debug || detail::debug_by_environment();
  core.inspectable = options.inspectable || detail::inspectable_by_environment();
  core.on_deadlock = options.on_deadlock;
  core.deadlock_patience = options.deadlock_patience;
  core.name = options.name;
  if (!options.trace.empty()) {
    core.trace =
        std::make_unique<detail::step_trace>(std::string(options.trace), core.name, core.workers);
  }
  return core;
}

/// As Prometheus has them, without the comments and the prefix.
std::string metric_lines(detail::scheduler& of) {
  std::istringstream all(to_prometheus(static_cast<const runtime*>(of.owner())->metrics()));
  std::string lines;
  for (std::string line; std::getline(all, line);) {
    if (line.starts_with("weft_")) lines += line.substr(5) + '\n';
  }
  return lines;
}

}  // namespace

void detail::check_not_running() {
  if (worker::current() != nullptr)
    throw std::logic_error("run() inside a running runtime: co_await or spawn the task instead");
}

runtime::runtime(runtime_options options)
    : core_(std::make_unique<detail::scheduler>(core_options(options))),
      shutdown_timeout_(options.shutdown_timeout),
      handle_sigint_(options.handle_sigint) {
  set_up(options);
}

runtime::runtime(runtime_options options, virtual_time_t)
    : shutdown_timeout_(options.shutdown_timeout) {
  detail::scheduler_options core = core_options(options);
  core.workers = 1;
  core.virtual_time = true;
  core_ = std::make_unique<detail::scheduler>(std::move(core));
  set_up(options);
}

void runtime::set_up(const runtime_options& options) {
  core_->set_owner(this);
  if (options.exception_handler != nullptr) core_->set_exception_handler(options.exception_handler);
  if (!core_->inspectable()) return;
  try {
    inspection_ = std::make_unique<detail::inspection>(*core_, metric_lines);
  } catch (const std::system_error& error) {  // the program runs all the same
    exception_context context;
    context.message = error.what();
    core_->report(context);
  }
}

runtime::~runtime() {
  const auto until = std::chrono::steady_clock::now() + shutdown_timeout_;
  core_->shutdown(shutdown_timeout_);
  core_->stop_blocking(until);
}

runtime& runtime::current() {
  return *static_cast<runtime*>(detail::scheduler::current("runtime::current()").owner());
}

clock::time_point runtime::now() const noexcept {
  const clock::time_point* source = core_->virtual_clock();
  return source != nullptr ? *source : clock::now();
}

void runtime::check_loop_free() const {
  if (core_->single() && core_->running())
    throw std::logic_error("runtime::run(): another thread runs the one worker already");
}

void runtime::run_untyped(detail::task_state& main) {
  if (!handle_sigint_ || core_->virtual_time()) return core_->run_until_done(main);
  detail::sigint_guard guard(*core_, main);
  core_->run_until_done(main);
  const bool interrupted = guard.finish();
  // Cancelled by somebody else as well, it is theirs.
  if (!interrupted || !detail::ended_cancelled(main) || detail::cancelling(main) > 1) return;
  shutdown(shutdown_timeout_);
  std::raise(SIGINT);
}

void runtime::set_exception_handler(std::function<void(const exception_context&)> handler) {
  core_->set_exception_handler(std::move(handler));
}

bool runtime::shutdown(std::chrono::milliseconds timeout) {
  return core_->shutdown(timeout);
}

runtime_metrics runtime::metrics() const {
  runtime_metrics total;
  for (unsigned i = 0; i < core_->size(); ++i) {
    detail::worker& each = core_->worker_at(i);
    const detail::worker_counters& counters = each.counters();
    total.polls += each.steps();
    total.steals += counters.steals.load(std::memory_order_relaxed);
    total.parks += counters.parks.load(std::memory_order_relaxed);
    total.rescues += counters.rescues.load(std::memory_order_relaxed);
    total.notifications += counters.notifications.load(std::memory_order_relaxed);
    total.reactor_polls += counters.polls.load(std::memory_order_relaxed);
    total.timers_armed += each.timers().size_approx();
  }
  total.tasks_spawned = core_->spawned();
  total.tasks_alive = static_cast<std::uint64_t>(std::max<std::int64_t>(0, core_->alive()));
  total.blocking_threads = core_->blocking_threads();
  return total;
}

// ---- timer_handle -------------------------------------------------------------------------------

bool timer_handle::cancel() noexcept {
  if (call_ == nullptr) return false;
  const bool won = call_->claim();
  if (won) call_->task.cancel();
  return won;
}

}  // namespace weft
