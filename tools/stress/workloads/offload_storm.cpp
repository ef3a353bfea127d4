#include "offload_storm.h"

#include "../disturbance.h"
#include "../on_exit.h"
#include "../plant_yard.h"
#include <weft/runtime/as_result.h>
#include <weft/runtime/executor.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>
#include <weft/runtime/to_thread.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <thread>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t callers = 20;
constexpr std::size_t executor_threads = 2;

struct planned_failure : std::runtime_error {
  planned_failure() : std::runtime_error("planned failure") {}
};

/// One call: what it is to do, and what became of it.
struct call_record {
  stage& on;
  std::atomic<std::int64_t>& running;
  std::uint64_t number;
  bool fails;
  std::chrono::microseconds length;
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
};
using shared_call = std::shared_ptr<call_record>;

/// What runs on the other thread.
std::uint64_t compute(const shared_call& call, std::size_t threads_max) {
  enlist_this_thread();
  call->begun.fetch_add(1);
  call->on.check(call->running.fetch_add(1) < static_cast<std::int64_t>(threads_max),
                 invariant::exclusion, "more blocking calls at once than threads");
  const on_exit leave([&call] {
    call->running.fetch_sub(1);
    call->ended.fetch_add(1);
  });
  if (call->length > 0us) std::this_thread::sleep_for(call->length);
  if (call->fails) throw planned_failure();
  return mix(call->number, 0);
}

void judge(stage& on, const call_record& call, const result<std::uint64_t>& ended) {
  if (ended.has_value()) {
    on.check(!call.fails && *ended == mix(call.number, 0), invariant::exactly_once,
             "a blocking call gave the result of another");
  } else if (ended.cancelled()) {
    on.check(call.begun.load() == 0, invariant::cancellation,
             "a blocking call was cancelled, and ran");
    return;
  } else {
    on.check(call.fails, invariant::no_unexpected_failure, "a blocking call failed");
  }
  const int lost = on.strikes(plant::lost_job) ? 1 : 0;
  on.check(call.begun.load() - lost == 1 && call.ended.load() == 1, invariant::exactly_once,
           "a blocking call ran twice, not to its end, or never");
}

}  // namespace

struct offload_storm::state {
  std::atomic<std::int64_t> running{0};            // on the runtime's pool
  std::atomic<std::int64_t> running_elsewhere{0};  // on the executor
  std::atomic<std::int64_t> running_abandoned{0};
  std::unique_ptr<thread_pool_executor> elsewhere;

  shared_call any_call(stage& on, std::atomic<std::int64_t>& where, random_stream& random) {
    return std::make_shared<call_record>(on, where, random.next(), random.one_in(5),
                                         random.one_in(2) ? random.up_to(400us) : 0us);
  }
  task<std::uint64_t> call_pool(shared_call call);
  task<std::uint64_t> call_executor(shared_call call);
  task<> call_and_cancel(stage& on, random_stream& random);
  task<> call_and_stop(stage& on, random_stream& random);
  task<> call_and_abandon(random_stream& random);
  task<> call_in_turns(stage& on, std::uint64_t own);
};

task<std::uint64_t> offload_storm::state::call_pool(shared_call call) {
  auto work = [call] { return compute(call, blocking_threads); };
  co_return co_await to_thread(std::ref(work));
}

task<std::uint64_t> offload_storm::state::call_executor(shared_call call) {
  auto work = [call] { return compute(call, executor_threads); };
  co_return co_await run_in_executor(*elsewhere, std::ref(work));
}

/// A call in a task of its own, which is cancelled now and then.
task<> offload_storm::state::call_and_cancel(stage& on, random_stream& random) {
  const bool to_executor = random.one_in(3);
  const shared_call call = any_call(on, to_executor ? running_elsewhere : running, random);
  auto handle = spawn(to_executor ? call_executor(call) : call_pool(call));
  if (random.one_in(3)) {
    co_await on.waver(random);
    handle.cancel();
  }
  const result<std::uint64_t> ended = co_await as_result(handle);
  judge(on, *call, ended);
}

/// A call that runs until it is told to stop.
task<> offload_storm::state::call_and_stop(stage& on, random_stream& random) {
  std::atomic<bool> is_running{false};
  auto work = [&is_running](std::stop_token stop) {
    enlist_this_thread();
    is_running.store(true);
    while (!stop.stop_requested()) std::this_thread::sleep_for(20us);
    is_running.store(false);
  };
  try {
    co_await wait_for(to_thread(std::ref(work)), random.up_to(500us));
  } catch (const timeout_error&) {  // it was stopped, or never ran
  }
  on.check(!is_running.load(), invariant::cancellation, "a blocking call runs after its end");
}

/// A call that goes on by itself.
task<> offload_storm::state::call_and_abandon(random_stream& random) {
  auto work = [this, length = random.up_to(300us)] {
    enlist_this_thread();
    running_abandoned.fetch_add(1);
    std::this_thread::sleep_for(length);
    running_abandoned.fetch_sub(1);
  };
  try {
    co_await wait_for(to_thread(abandon_on_cancel, work), 1us + random.up_to(200us));
  } catch (const timeout_error&) {  // it goes on, or never ran
  }
}

task<> offload_storm::state::call_in_turns(stage& on, std::uint64_t own) {
  heartbeat alive(on.dog(), "caller " + std::to_string(own));
  random_stream random = on.random(own);
  while (!on.is_over()) {
    switch (random.below(6)) {
      case 0:
        co_await call_and_stop(on, random);
        break;
      case 1:
        co_await call_and_abandon(random);
        break;
      default:
        co_await call_and_cancel(on, random);
    }
    alive.beat();
  }
}

offload_storm::offload_storm() : state_(std::make_unique<state>()) {}
offload_storm::~offload_storm() = default;

task<> offload_storm::run(stage& on) {
  if (on.strikes(plant::leaked_thread)) plant_yard::get().leak_thread();
  state& all = *state_;
  all.elsewhere = std::make_unique<thread_pool_executor>(executor_threads);
  auto body = [&](task_group& group) {
    for (std::uint64_t i = 0; i < callers; ++i) group.spawn(all.call_in_turns(on, i));
  };
  co_await with_task_group(body);
}

bool offload_storm::is_planned(const std::exception_ptr& failure) const {
  try {
    std::rethrow_exception(failure);
  } catch (const planned_failure&) {
    return true;
  } catch (...) {  // anything else
    return false;
  }
}

void offload_storm::check(stage& on) {
  state& all = *state_;
  all.elsewhere.reset();
  on.check(all.running.load() == 0 && all.running_elsewhere.load() == 0, invariant::cancellation,
           "blocking calls run though every task has ended");
}

}  // namespace weft::stress
