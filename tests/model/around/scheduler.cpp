#include "scheduler.h"

#include "../../../runtime/detail/io_operation.h"
#include "../../../runtime/detail/scheduler.h"
#include "../checker/explore.h"

#include <utility>

namespace weft::model {
namespace {

constexpr unsigned no_worker = ~0u;

scheduler* current_scheduler = nullptr;
unsigned this_worker = no_worker;  // each thread of the model has its own

const bool kept = [] {
  execution::keep_per_thread(&detail::here, sizeof(detail::here));
  execution::keep_per_thread(&this_worker, sizeof(this_worker));
  return true;
}();

}  // namespace

scheduler::scheduler(unsigned workers, placing new_tasks) noexcept
    : workers_(workers), new_tasks_(new_tasks) {
  check(workers <= workers_max, "a model has at most two workers");
  current_scheduler = this;
}

scheduler::~scheduler() {
  check(alive_.get() == 0, "a task has not ended");
}

scheduler& scheduler::current() noexcept {
  return *current_scheduler;
}

void scheduler::work(unsigned worker) noexcept {
  this_worker = worker;
  detail::here.runtime = 0;
  auto& self = each_[worker];
  while (!self.arrived.closed()) {
    if (detail::task_state* task = self.ready.pop()) {
      execute(*task, worker);
    } else if (void* arrived = self.arrived.pop()) {
      execute(*static_cast<detail::task_state*>(arrived), worker);
    } else {
      self.arrived.wait();
    }
  }
  detail::here.runtime = detail::no_runtime;
  this_worker = no_worker;
}

/// As worker::execute.
void scheduler::execute(detail::task_state& task, unsigned worker) noexcept {
  detail::here.task = &task;
  detail::here.budget = detail::operations_per_resume;
  task.worker = static_cast<std::uint16_t>(worker);
  const auto leaf = reinterpret_cast<std::uintptr_t>(task.leaf);
  void* resumed = reinterpret_cast<void*>(leaf & ~detail::leaf_tag::mask);
  if ((leaf & detail::leaf_tag::first) != 0 && detail::interrupted(task)) {
    detail::complete_unstarted(task);
    resumed = nullptr;
  } else if ((leaf & detail::leaf_tag::retry) != 0) {
    auto& node = *static_cast<detail::retry_node*>(resumed);
    resumed = node.waiter.address();
    if (!node.retry(node)) resumed = nullptr;
  }
  if (resumed != nullptr) std::coroutine_handle<>::from_address(resumed).resume();
  detail::here.task = nullptr;
  if (detail::task_state* finished = std::exchange(detail::here.finished, nullptr))
    detail::complete(*finished);
}

void scheduler::schedule(detail::task_state& task) noexcept {
  if (this_worker != no_worker) return each_[this_worker].ready.push(task);
  each_[task.worker].arrived.push(&task);
}

void scheduler::schedule_back(detail::task_state& task) noexcept {
  if (this_worker == no_worker || new_tasks_ == placing::here) return schedule(task);
  each_[(this_worker + 1) % workers_].arrived.push(&task);
}

void scheduler::add_task() noexcept {
  if (alive_.add(1) > 1) return;
  for (worker_queues& each : each_) each.arrived.open();
}

void scheduler::remove_task() noexcept {
  if (alive_.add(-1) > 0) return;
  for (worker_queues& each : each_) each.arrived.close();
}

}  // namespace weft::model

namespace weft::detail {

void schedule(task_state& task) noexcept {
  model::scheduler::current().schedule(task);
}
void run_now(task_state& task) noexcept {
  schedule_back(task);
}
void schedule_back(task_state& task) noexcept {
  model::scheduler::current().schedule_back(task);
}
void reschedule_current() noexcept {
  schedule_back(*here.task);
}
void task_ended(std::uint8_t, bool) noexcept {
  model::scheduler::current().remove_task();
}
void report_unretrieved(task_state&) noexcept {
  model::scheduler::current().report_unretrieved();
}

int register_source(io_source&) noexcept {
  return 0;
}

// The members of the real one that spawn.cpp and future.cpp call. There is no object: these use
// none, and index() reads a zero.

namespace {
alignas(scheduler) constinit std::byte no_scheduler[sizeof(scheduler)] = {};
}  // namespace

scheduler& scheduler::at(std::uint32_t) noexcept {
  return reinterpret_cast<scheduler&>(no_scheduler);
}
scheduler& scheduler::current(const char*) {
  return at(0);
}
void scheduler::count_spawn() noexcept {
  model::scheduler::current().add_task();
}
std::uint16_t scheduler::place_foreign() noexcept {
  return model::scheduler::current().next_place();
}
bool scheduler::running() const noexcept {
  return true;
}
std::vector<task_state*> scheduler::pin_all() {
  model::check(false, "nobody walks over all tasks in these models");
  return {};
}
void scheduler::report(const exception_context&) noexcept {
  model::scheduler::current().report_unretrieved();
}

}  // namespace weft::detail
