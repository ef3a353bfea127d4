// What a task does on threads that are no workers: blocking calls and executors, against a cancel,
// a worker that falls asleep, and virtual time.

#include "../../../runtime/executor.h"
#include "../../../runtime/sleep.h"
#include "../../../runtime/to_thread.h"
#include "../around/outcome.h"
#include "../checker/mailbox.h"
#include "../checker/registry.h"
#include "around/runtime.h"

#include <memory>

namespace weft::model {
namespace {

using detail::scheduler;
using namespace std::chrono_literals;

/// An executor whose one thread is a thread of the model.
class one_thread final : public executor {
 public:
  /// Runs jobs until end() is called.
  void serve() noexcept {
    for (;;) {
      jobs_.wait();
      auto* job = static_cast<detail::executor_job*>(jobs_.pop());
      if (job == nullptr) return;
      job->run(*job);
    }
  }
  void end() noexcept { jobs_.close(); }

 private:
  struct posted_job : detail::executor_job {
    posted_job(void (*call)(void*), void* with) noexcept : function(call), argument(with) {
      run = [](executor_job& self) noexcept {
        const std::unique_ptr<posted_job> job(static_cast<posted_job*>(&self));
        job->function(job->argument);
      };
    }
    void (*function)(void*);
    void* argument;
  };

  void post(void (*run)(void*), void* job) override { jobs_.push(new posted_job(run, job)); }
  void enqueue(detail::executor_job& job) override { jobs_.push(&job); }

  mailbox jobs_;
};

// ---- to_thread

task<> call_once(int& written, outcome& into) {
  try {
    const int value = co_await to_thread([&written] { return ++written; });
    check(value == 1 && written == 1, "not the value of the call");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model call_and_park("ToThread", "EndOfTheCallAgainstPark_WakesTheTask",
                                     {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
                                       scheduler runs({.workers = 1});
                                       int written = 0;
                                       outcome seen;
                                       const auto caller = spawn_in(runs, call_once(written, seen));

                                       runs.run_until_done(*caller.state());

                                       check(seen.how == end::value, "no value");
                                       expect_no_wake_up_lost();
                                     });

// Withdrawn, or it goes on to its end and the task with it.
const registered_model call_and_cancel("ToThread", "CallAgainstCancel_RunsOrNeverWill",
                                       {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
                                         scheduler runs({.workers = 1});
                                         int written = 0;
                                         outcome seen;
                                         auto caller = spawn_in(runs, call_once(written, seen));

                                         run_threads([&] { runs.run_until_done(*caller.state()); },
                                                     [&] { caller.cancel(); });

                                         if (caller.cancelled()) return;  // before it began
                                         check(written == (seen.how == end::value ? 1 : 0),
                                               "not as it was told");
                                       });

task<> call_and_abandon(std::shared_ptr<int> written, outcome& into) {
  auto call = [held = std::move(written)] { return ++*held; };
  try {
    const int value = co_await to_thread(abandon_on_cancel, call);
    check(value == 1, "not the value of the call");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model abandon_call("ToThread", "AbandonAgainstTheEndOfTheCall_FreesItOnce",
                                    {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
                                      scheduler runs({.workers = 1});
                                      outcome seen;
                                      auto caller = spawn_in(
                                          runs, call_and_abandon(std::make_shared<int>(0), seen));

                                      run_threads([&] { runs.run_until_done(*caller.state()); },
                                                  [&] { caller.cancel(); });

                                      check(caller.cancelled() || seen.how != end::none, "no end");
                                    });

// ---- Executors

task<> run_there(one_thread& where, int& written, outcome& into) {
  try {
    const int value = co_await run_in_executor(where, [&written] { return ++written; });
    check(value == 1 && written == 1, "not the value of the call");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

// An executor that gives nothing back skips what was cancelled.
const registered_model executor_and_cancel("Executor", "CallAgainstCancel_RunsOrIsSkipped",
                                           {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
                                             scheduler runs({.workers = 1});
                                             one_thread there;
                                             int written = 0;
                                             outcome seen;
                                             auto caller =
                                                 spawn_in(runs, run_there(there, written, seen));

                                             run_threads(
                                                 [&] {
                                                   runs.run_until_done(*caller.state());
                                                   there.end();
                                                 },
                                                 [&] { there.serve(); }, [&] { caller.cancel(); });

                                             if (caller.cancelled()) return;  // before it began
                                             check(written == (seen.how == end::value ? 1 : 0),
                                                   "not as it was told");
                                           });

task<> hop_once(one_thread& where, int& written) {
  co_await resume_on(where);
  ++written;
}

const registered_model hop_and_park("Executor", "ReturnAgainstPark_WakesTheWorker",
                                    {.preemptions = 2, .stale_reads = 1, .timeouts = 0}, [] {
                                      scheduler runs({.workers = 1});
                                      one_thread there;
                                      int written = 0;
                                      const auto hopper = spawn_in(runs, hop_once(there, written));

                                      run_threads(
                                          [&] {
                                            runs.run_until_done(*hopper.state());
                                            check(written == 1, "it was not there");
                                            there.end();
                                          },
                                          [&] { there.serve(); });

                                      expect_no_wake_up_lost();
                                    });

task<> sleep_long() {
  co_await sleep(1h);
}

// Virtual time stands still while a task is away, up to the moment when it is back in the inbox.
const registered_model hop_in_virtual_time(
    "Executor", "ReturnAgainstVirtualTime_ComesFirst", {.preemptions = 2, .stale_reads = 2}, [] {
      scheduler runs({.workers = 1, .virtual_time = true});
      one_thread there;
      int written = 0;
      const auto sleeper = spawn_in(runs, sleep_long());
      const auto hopper = spawn_in(runs, hop_once(there, written));

      run_threads(
          [&] {
            runs.run_until_done(*hopper.state());
            check(runs.virtual_clock()->time_since_epoch() == 0s, "time has passed meanwhile");
            runs.run_until_done(*sleeper.state());
            there.end();
          },
          [&] { there.serve(); });
    });

task<> submit_once(one_thread& where) {
  const int value = co_await where.submit([] { return the_value; });
  check(value == the_value, "not the value of the job");
}

const registered_model job_in_virtual_time(
    "Executor", "EndOfAJobAgainstVirtualTime_ComesFirst",
    {.preemptions = 2, .stale_reads = 2, .immortal_blocks = 1}, [] {
      scheduler runs({.workers = 1, .virtual_time = true});
      one_thread there;
      const auto sleeper = spawn_in(runs, sleep_long());
      const auto submits = spawn_in(runs, submit_once(there));

      run_threads(
          [&] {
            runs.run_until_done(*submits.state());
            check(runs.virtual_clock()->time_since_epoch() == 0s, "time has passed meanwhile");
            runs.run_until_done(*sleeper.state());
            there.end();
          },
          [&] { there.serve(); });
    });

// ---- Deadlocks

/// The whole process stands still for a while.
task<> hop_and_linger(one_thread& where) {
  co_await resume_on(where);
  advance_time_to(10ms);
}

// The worker oversleeps, and the task comes back in the middle of its look.
const registered_model look_beside_a_return("Deadlock", "LookBesideAReturn_SeesNoStandstill",
                                            {.preemptions = 2, .stale_reads = 0, .timeouts = 2},
                                            [] {
                                              scheduler runs({.workers = 1,
                                                              .on_deadlock = deadlock_action::fail,
                                                              .deadlock_patience = 4ms});
                                              one_thread there;
                                              const auto hopper =
                                                  spawn_in(runs, hop_and_linger(there));

                                              run_threads(
                                                  [&] {
                                                    runs.run_until_done(*hopper.state());
                                                    there.end();
                                                  },
                                                  [&] { there.serve(); });
                                            });

}  // namespace
}  // namespace weft::model
