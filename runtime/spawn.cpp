#include "spawn.h"

#include "detail/blocking_waiter.h"
#include "detail/scheduler.h"

#include <chrono>
#include <stdexcept>

namespace weft {
namespace detail {

scheduler& current_scheduler(const char* operation) {
  return scheduler::current(operation);
}

std::uint16_t home_worker(scheduler& on) noexcept {
  worker* self = worker::current();
  if (self != nullptr && &self->home() == &on) return static_cast<std::uint16_t>(self->index());
  // On an executor's thread: the worker that its task came from.
  if (here.task != nullptr && here.task->runtime == on.index()) return here.task->worker;
  return on.place_foreign();
}

namespace {

/// Not queued yet.
void make_task_at(scheduler& on, std::uint16_t worker, task_state& task, const task_type& type,
                  std::coroutine_handle<> frame, std::string_view name, std::uint32_t life_bits) {
  std::uintptr_t extra = 0;
  try {
    extra = make_extra(name);
  } catch (...) {  // nobody owns the frame yet
    frame.destroy();
    throw;
  }
  init_task(task, type, on.index(), frame, life_bits + task_life::one_handle, extra);
  task.worker = worker;
  on.count_spawn();
}

}  // namespace

void start_task(scheduler& on, task_state& task, const task_type& type,
                std::coroutine_handle<> frame, std::string_view name, std::uint32_t life_bits) {
  make_task_at(on, home_worker(on), task, type, frame, name, life_bits);
  schedule_back(task);
}

void start_task_eagerly(scheduler& on, task_state& task, const task_type& type,
                        std::coroutine_handle<> frame, std::string_view name,
                        std::uint32_t life_bits) {
  make_task_at(on, home_worker(on), task, type, frame, name, life_bits);
  run_now(task);
}

void start_task_on(scheduler& on, std::size_t worker, task_state& task, const task_type& type,
                   std::coroutine_handle<> frame, std::string_view name) {
  if (worker >= on.size()) {
    frame.destroy();
    throw std::out_of_range("spawn_on(): there is no worker " + std::to_string(worker));
  }
  make_task_at(on, static_cast<std::uint16_t>(worker), task, type, frame, name, task_life::pinned);
  schedule_back(task);
}

std::size_t worker_count(const scheduler& of) noexcept {
  return of.size();
}

namespace {

void start_callback_with(scheduler& on, task<> callback, std::uintptr_t extra) {
  const auto frame = callback.release();
  task_state& state = block_of<void>::state(frame);
  init_task(state, block_of<void>::type, on.index(), frame, 0, extra);
  mask_requests(state);  // a callback runs even if a shutdown cancels it first; it never suspends
  state.worker = home_worker(on);
  on.count_spawn();
  schedule_back(state);
}

}  // namespace

void start_callback(scheduler& on, task<> callback) {
  start_callback_with(on, std::move(callback), inherit_extra());
}

void retrieve(task_state& task) noexcept {
  if (task.type->failed(task)) mark_retrieved(task);
}

void throw_not_done() {
  throw invalid_state_error("the task is not done");
}

namespace {

/// A callback that waits for the end of a task; owns its frame until then.
struct done_callback : completion_waiter {
  task<> callback;
  std::uintptr_t extra = inherit_context();  // of who registers it
  scheduler& on;

  done_callback(task<> work, scheduler& target) : callback(std::move(work)), on(target) {
    on_done = [](completion_waiter& self, task_state&) noexcept {
      static_cast<done_callback&>(self).start();
    };
  }
  void start() noexcept {
    start_callback_with(on, std::move(callback), extra);
    delete this;
  }
};

}  // namespace

void add_done_callback(task_state& observed, task<> callback) {
  auto* waiter = new done_callback(std::move(callback), scheduler::at(observed.runtime));
  if (!add_waiter(observed, *waiter)) waiter->start();
}

namespace {

/// Whether it is done already. Throws where a wait for it would block a worker, or for ever.
bool done_before_blocking(task_state& task) {
  if (worker::current() != nullptr)
    throw std::logic_error("join_handle::get() on a worker would block it: co_await the handle");
  if (done(task)) return true;
  if (!scheduler::at(task.runtime).running()) {
    throw std::logic_error(
        "join_handle::get(): nobody runs the runtime of this task; call runtime::run(), or give it "
        "two workers");
  }
  return false;
}

}  // namespace

void block_until_done(task_state& task) {
  if (done_before_blocking(task)) return;
  blocking_waiter waiter;
  if (add_waiter(task, waiter)) waiter.wait();
}

bool block_until_done(task_state& task, clock::duration limit) {
  if (done_before_blocking(task)) return true;
  blocking_waiter waiter;
  if (!add_waiter(task, waiter)) return true;
  if (waiter.wait_until(std::chrono::steady_clock::now() + limit)) return true;
  if (remove_waiter(task, waiter)) return false;
  waiter.wait();  // the task ends right now, and is about to tell
  return true;
}

// ---- join_operation -----------------------------------------------------------------------------

bool join_operation::can_wait() const noexcept {
  return child_ != nullptr && child_ != here.task;
}

void join_operation::check_child() const {
  if (child_ == nullptr) throw_invalid_state("co_await of an empty join_handle");
  if (child_ == here.task) throw_invalid_state("a task cannot await itself");
}

bool join_operation::try_now() noexcept {
  return !can_wait() || done(*child_);
}

bool join_operation::publish() noexcept {
  if (!can_wait()) return false;
  unlink = how_;
  on_done = on_child_done;
  return add_waiter(*child_, *this);
}

void join_operation::take() {
  check_child();
  retrieve(*child_);
  // The child has ended without a suspension that could have shown it the request: it is ours
  // again.
  if (passed_on == wait_outcome::cancelled && request_pending(*child_)) repost_request(*here.task);
  // A deadline that ended the child through us is our own time-out.
  if (passed_on == wait_outcome::interrupted && ended_cancelled(*child_))
    throw_interrupted(wait_outcome::interrupted);
}

void join_operation::on_child_done(completion_waiter& self, task_state&) noexcept {
  wake(*static_cast<join_operation&>(self).task);
}

unlink_result join_operation::cancel_child(wait_node& self) noexcept {
  auto& join = static_cast<join_operation&>(self);
  return cancel(*join.child_) ? unlink_result::forwarded : unlink_result::completed;
}

unlink_result join_operation::leave_child(wait_node& self) noexcept {
  auto& join = static_cast<join_operation&>(self);
  return remove_waiter(*join.child_, join) ? unlink_result::removed : unlink_result::completed;
}

void join_operation::visit_child(const wait_node& self, visit_function visit,
                                 void* context) noexcept {
  visit(context, *static_cast<const join_operation&>(self).child_);
}

namespace {

/// Apart: a yield that nobody interrupts pays for none of it.
[[noreturn, gnu::noinline]] void throw_request(task_state& task) {
  throw_interrupted(consume_request(task) ? wait_outcome::cancelled : wait_outcome::interrupted);
}

}  // namespace

void deliver_request() {
  if (interrupted(*here.task)) [[unlikely]]
    throw_request(*here.task);
}

}  // namespace detail

namespace {

detail::task_state& running_task(const char* operation) {
  if (detail::here.task == nullptr)
    throw std::logic_error(std::string(operation) + " outside of a task");
  return *detail::here.task;
}

}  // namespace

task_id this_task::id() {
  return detail::id_of(running_task("this_task::id()"));
}
std::string this_task::name() {
  return detail::name_of(running_task("this_task::name()"));
}
int this_task::cancelling() {
  return detail::cancelling(running_task("this_task::cancelling()"));
}
int this_task::uncancel() {
  return detail::uncancel(running_task("this_task::uncancel()"));
}
void this_task::check_cancelled() {
  running_task("this_task::check_cancelled()");
  detail::deliver_request();
}

}  // namespace weft
