#include "to_thread.h"

#include "detail/address_space.h"
#include "detail/context.h"
#include "detail/scheduler.h"
#include "error.h"

#include <cerrno>
#include <string>

namespace weft::detail {
namespace {

blocking_pool& pool_of(const task_state& task, const blocking_job& job) noexcept {
  return scheduler::at(task.runtime).blocking(job.kind);
}

void check_accepted(job_state state, const blocking_job& job) {
  if (state != job_state::refused) return;
  const std::string operation = job.kind == call_kind::look_up ? "resolve" : "to_thread";
  throw_system_error(EAGAIN, operation + ": no thread could be started " + thread_needs());
}

/// A task that is to be interrupted anyway sends nothing: its wait ends as soon as it begins.
job_state send(task_state& task, blocking_job& job) noexcept {
  if (interrupted(task)) return job_state::unsent;
  return pool_of(task, job).submit(job) ? job_state::sent : job_state::refused;
}

}  // namespace

// ---- thread_wait --------------------------------------------------------------------------------

bool thread_wait::publish() noexcept {
  unlink = waits<withdraw_or_stop, "to_thread()">;
  run = run_here;
  state_ = send(*task, *this);
  return state_ != job_state::refused;
}

void thread_wait::take() const {
  check_accepted(state_, *this);
}

void thread_wait::run_here(blocking_job& self) noexcept {
  auto& wait = static_cast<thread_wait&>(self);
  here.borrowed = context_of(*wait.task);  // the task waits for us
  wait.call_(wait);
  here.borrowed = nullptr;
  wake(*wait.task);
}

unlink_result thread_wait::withdraw_or_stop(wait_node& self) noexcept {
  auto& wait = static_cast<thread_wait&>(self);
  if (wait.state_ == job_state::unsent || pool_of(*wait.task, wait).withdraw(wait))
    return unlink_result::removed;
  wait.request_stop_(wait);
  return unlink_result::completed;
}

// ---- abandonable_wait ---------------------------------------------------------------------------

abandonable_job::abandonable_job() noexcept {
  self_contained = true;
  run = [](blocking_job& self) noexcept {
    auto& job = static_cast<abandonable_job&>(self);
    here.borrowed = job.values;
    job.call();
    here.borrowed = nullptr;
    phase expected = phase::pending;
    // Once it is abandoned, task and awaiter may be gone.
    if (job.decided.compare_exchange_strong(expected, phase::finished, std::memory_order_relaxed))
      wake(*job.task);
    job.drop_reference();
  };
}

abandonable_job::~abandonable_job() {
  if (values != nullptr) values->drop_reference();
}

void abandonable_job::drop_reference() noexcept {
  // acq_rel: see references.
  if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

bool abandonable_wait::publish() noexcept {
  if (job_->kind == call_kind::look_up) {
    unlink = waits<withdraw_or_abandon, "resolve()">;
  } else {
    unlink = waits<withdraw_or_abandon, "to_thread()">;
  }
  job_->task = task;
  job_->values = share_context(*task);
  job_->references.store(2, std::memory_order_relaxed);  // published with the job
  state_ = send(*task, *job_);
  // Not sent: nobody else has it.
  if (state_ != job_state::sent) job_->references.store(1, std::memory_order_relaxed);
  return state_ != job_state::refused;
}

void abandonable_wait::take() const {
  check_accepted(state_, *job_);
}

unlink_result abandonable_wait::withdraw_or_abandon(wait_node& self) noexcept {
  auto& wait = static_cast<abandonable_wait&>(self);
  if (wait.state_ == job_state::unsent) return unlink_result::removed;
  abandonable_job& job = *wait.job_;
  if (pool_of(*wait.task, job).withdraw(job)) {
    job.drop_reference();
    return unlink_result::removed;
  }
  auto expected = abandonable_job::phase::pending;
  if (!job.decided.compare_exchange_strong(expected, abandonable_job::phase::abandoned,
                                           std::memory_order_relaxed)) {
    return unlink_result::completed;
  }
  job.request_stop();
  return unlink_result::removed;
}

}  // namespace weft::detail
