#include "future.h"

#include "detail/scheduler.h"
#include "detail/threads.h"
#include "runtime.h"
#include "spawn.h"

#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string>

namespace weft::detail {

// Done callbacks of one future that were registered in one runtime: a task of that runtime waits
// for the future and calls them in order. Being a task, it ends with the runtime, and a late
// completion meets no dead scheduler.
struct callback_runner : list_node {
  callback_runner(future_reference<future_state> of, std::uint8_t in) noexcept
      : state(std::move(of)), runtime(in) {}
  ~callback_runner();
  callback_runner(const callback_runner&) = delete;
  callback_runner& operator=(const callback_runner&) = delete;

  /// The next one to call; null: there is none, and no more will come.
  future_callback* next() noexcept;
  void append(future_callback& callback) noexcept;

  const future_reference<future_state> state;
  const std::uint8_t runtime;
  // Guarded by state->lock_.
  future_callback* oldest = nullptr;
};

namespace {

void append(future_callback*& oldest, future_callback& callback) noexcept {
  future_callback** link = &oldest;
  while (*link != nullptr) link = &(*link)->next;
  *link = &callback;
}

void settle_all(future_callback* oldest, future_callback::fate how) noexcept {
  while (oldest != nullptr) {
    future_callback* next = oldest->next;
    oldest->settle(*oldest, how);
    oldest = next;
  }
}

/// The runtime that this thread runs in, also on an executor's thread; or null.
scheduler* current_or_null() noexcept {
  if (worker* self = worker::current()) return &self->home();
  return here.task != nullptr ? &scheduler::at(here.task->runtime) : nullptr;
}

task<> run_callbacks(std::unique_ptr<callback_runner> runner) {
  co_await future_wait(*runner->state.get());
  while (future_callback* callback = runner->next())
    callback->settle(*callback, future_callback::fate::call);
}

}  // namespace

callback_runner::~callback_runner() {
  future_callback* left = nullptr;
  {
    const spin_guard guard(state->lock_);
    if (linked()) intrusive_list<callback_runner>::unlink(*this);
    left = std::exchange(oldest, nullptr);
  }
  settle_all(left, future_callback::fate::drop);
}

future_callback* callback_runner::next() noexcept {
  const spin_guard guard(state->lock_);
  future_callback* first = oldest;
  if (first != nullptr) {
    oldest = first->next;
  } else {
    intrusive_list<callback_runner>::unlink(*this);
  }
  return first;
}

void callback_runner::append(future_callback& callback) noexcept {
  detail::append(oldest, callback);
}

// ---- Life ---------------------------------------------------------------------------------------

void future_state::add_reference() noexcept {
  references_.fetch_add(1, std::memory_order_relaxed);
}

void future_state::drop_reference() noexcept {
  // acq_rel: see references_.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

future_state::~future_state() {
  {
    // Whoever saw done() may destroy us while the completer is about to unlock.
    const spin_guard guard(lock_);
  }
  if (ended_as() == phase::error && !retrieved_.load(std::memory_order_relaxed)) {
    report_failure("future exception was never retrieved", error_);
  }
}

void future_state::check_value() {
  const phase ended = ended_as();
  if (ended < phase::value) throw_invalid_state("the future is not done");
  if (ended == phase::value) [[likely]]
    return;
  retrieved_.store(true, std::memory_order_relaxed);
  std::rethrow_exception(error_);
}

// ---- Completion ---------------------------------------------------------------------------------

bool future_state::begin_set() noexcept {
  phase expected = phase::pending;
  // acquire: pairs with abort_set: the outcome's storage passes from one completer to the next.
  return phase_.compare_exchange_strong(expected, phase::setting, std::memory_order_acquire,
                                        std::memory_order_relaxed);
}

void future_state::abort_set() noexcept {
  phase_.store(phase::pending, std::memory_order_release);  // release: see begin_set
}

void future_state::finish_set(phase how) noexcept {
  intrusive_list<wait_node> claimed;
  future_callback* direct = nullptr;
  {
    const spin_guard guard(lock_);
    phase_.store(how, std::memory_order_release);  // release: pairs with the acquire in ended_as()
    while (wait_node* node = waiters_.pop_front()) {
      if (node->claim()) claimed.push_back(*node);
    }
    direct = std::exchange(direct_, nullptr);
  }
  // From here on the state may be gone: the first one woken may drop it.
  while (wait_node* node = claimed.pop_front()) wake(*node->task);
  settle_all(direct, future_callback::fate::call);
}

bool future_state::set_error(std::exception_ptr error) noexcept {
  if (!begin_set()) return false;
  error_ = std::move(error);
  finish_set(is_cancellation(error_) ? phase::cancelled : phase::error);
  return true;
}

bool future_state::cancel() noexcept {
  static const std::exception_ptr cancellation = std::make_exception_ptr(cancelled_error());
  return set_error(cancellation);
}

void future_state::break_promise() noexcept {
  static const std::exception_ptr broken = std::make_exception_ptr(broken_promise());
  if (!begin_set()) return;
  error_ = broken;
  retrieved_.store(true, std::memory_order_relaxed);  // nothing was lost with it: no report
  finish_set(phase::error);
}

// ---- Waiting ------------------------------------------------------------------------------------

bool future_state::add_waiter(wait_node& node) noexcept {
  const spin_guard guard(lock_);
  if (done()) return !node.claim();
  waiters_.push_back(node);
  return true;
}

bool future_state::remove_waiter(wait_node& node) noexcept {
  const spin_guard guard(lock_);
  if (done() || !node.linked()) return false;
  intrusive_list<wait_node>::unlink(node);
  return true;
}

bool future_wait::publish() noexcept {
  unlink = waits<leave, "a future">;
  return state_->add_waiter(*this);
}

unlink_result future_wait::leave(wait_node& self) noexcept {
  return static_cast<future_wait&>(self).state_->remove_waiter(self) ? unlink_result::removed
                                                                     : unlink_result::completed;
}

namespace {

/// A thread that waits in get().
struct blocked_thread : future_callback {
  os_mutex mutex;
  os_condition changed;
  bool done = false;  // guarded by mutex

  blocked_thread() noexcept {
    settle = [](future_callback& self, fate) noexcept {
      auto& blocked = static_cast<blocked_thread&>(self);
      const std::lock_guard lock(blocked.mutex);
      blocked.done = true;
      blocked.changed.notify_all();  // under the lock: afterwards the waiter may be gone
    };
  }
  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return done; });
  }
};

}  // namespace

void future_state::block_until_done() {
  if (worker::current() != nullptr)
    throw std::logic_error("future::get() on a worker would block it: co_await the future");
  blocked_thread self;
  if (append_direct(self)) self.wait();
}

// ---- Callbacks ----------------------------------------------------------------------------------

/// False: it is done.
bool future_state::append_direct(future_callback& callback) noexcept {
  const spin_guard guard(lock_);
  if (done()) return false;
  append(direct_, callback);
  return true;
}

/// Hands the callback to the runner of that runtime. Without one, `fresh` becomes it, if there is a
/// fresh one. Returns who has it; null: nobody.
callback_runner* future_state::append_to_runner(std::uint8_t runtime,
                                                std::unique_ptr<future_callback>& callback,
                                                callback_runner* fresh) noexcept {
  const spin_guard guard(lock_);
  callback_runner* runner = runners_.front();
  while (runner != nullptr && runner->runtime != runtime) runner = runners_.after(*runner);
  if (runner == nullptr) {
    if (fresh == nullptr) return nullptr;
    runners_.push_back(*fresh);
    runner = fresh;
  }
  runner->append(*callback.release());
  return runner;
}

void future_state::add_callback(std::unique_ptr<future_callback> callback) {
  scheduler* current = current_or_null();
  if (current == nullptr) {
    future_callback& direct = *callback.release();
    if (!append_direct(direct)) direct.settle(direct, future_callback::fate::call);
    return;
  }
  if (append_to_runner(current->index(), callback, nullptr) != nullptr) return;
  add_reference();
  future_reference<future_state> self(this);
  auto fresh = std::make_unique<callback_runner>(std::move(self), current->index());
  // Another thread may have been faster.
  if (append_to_runner(current->index(), callback, fresh.get()) != fresh.get()) return;
  spawn_task(*current, run_callbacks(std::move(fresh)), {.name = "done callbacks"}, 0);
}

// ---- Reports ------------------------------------------------------------------------------------

namespace {

void print_failure(const char* message, const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    std::fprintf(stderr, "weft: %s: %s\n", message, known.what());
  } catch (...) {  // nothing to ask
    std::fprintf(stderr, "weft: %s: unknown exception\n", message);
  }
}

}  // namespace

void report_failure(const char* message, const std::exception_ptr& error) noexcept {
  scheduler* current = current_or_null();
  if (current == nullptr) return print_failure(message, error);
  exception_context context;
  context.message = message;
  context.exception = error;
  current->report(context);
}

}  // namespace weft::detail
