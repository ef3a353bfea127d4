// Threads for blocking calls: each job runs once, or never when that was promised, whatever threads
// go to sleep, time out or are stopped meanwhile.

#include "../../runtime/detail/blocking_pool.h"
#include "../../runtime/detail/threads.h"
#include "checker/registry.h"

#include <chrono>
#include <mutex>

namespace weft::model {
namespace {

using detail::blocking_job;
using detail::blocking_pool;

constexpr std::chrono::seconds keep_alive{1};

std::chrono::steady_clock::time_point much_later() {
  return std::chrono::steady_clock::now() + std::chrono::hours(1);
}

/// A call whose effect is watched for races.
struct counted_job : blocking_job {
  counted_job() {
    run = [](blocking_job& self) noexcept { ++static_cast<counted_job&>(self).runs; };
  }
  int runs = 0;
};

// An idle thread that leaves may be the one that a job counts on.
const registered_model submit_and_idle("BlockingPool", "SubmitAgainstIdleTimeOut_RunsEachJobOnce",
                                       {.preemptions = 3, .timeouts = 2}, [] {
                                         blocking_pool pool(1, keep_alive);
                                         counted_job first, second;

                                         check(pool.submit(first), "refused");
                                         check(pool.submit(second), "refused");
                                         pool.stop(much_later());

                                         check(first.runs == 1, "the first has not run once");
                                         check(second.runs == 1, "the second has not run once");
                                       });

const registered_model two_submits("BlockingPool", "TwoSubmits_RunEachJobOnce",
                                   {.preemptions = 2, .stale_reads = 1}, [] {
                                     blocking_pool pool(2, keep_alive);
                                     counted_job first, second;

                                     run_threads([&] { check(pool.submit(first), "refused"); },
                                                 [&] { check(pool.submit(second), "refused"); });
                                     pool.stop(much_later());

                                     check(first.runs == 1, "the first has not run once");
                                     check(second.runs == 1, "the second has not run once");
                                   });

const registered_model submit_and_stop("BlockingPool", "SubmitAgainstStop_RunsWhatItHasTaken",
                                       {.preemptions = 3}, [] {
                                         blocking_pool pool(1, keep_alive);
                                         counted_job early, late;
                                         bool taken = false;
                                         check(pool.submit(early), "refused");

                                         run_threads([&] { taken = pool.submit(late); },
                                                     [&] { pool.stop(much_later()); });

                                         check(early.runs == 1, "it has not run");
                                         check(late.runs == (taken ? 1 : 0), "not as it was told");
                                         check(pool.threads() == 0, "a thread is left");
                                       });

// Nobody has to wait for the keep-alive.
const registered_model stop_and_idle("BlockingPool", "StopAgainstIdleThread_WakesIt",
                                     {.preemptions = 3, .timeouts = 0}, [] {
                                       blocking_pool pool(2, keep_alive);
                                       counted_job first, second;

                                       run_threads([&] { (void)pool.submit(first); },
                                                   [&] { (void)pool.submit(second); },
                                                   [&] { pool.stop(much_later()); });

                                       check(pool.threads() == 0, "a thread is left");
                                       check(time_now().count() == 0, "a thread has slept on");
                                     });

const registered_model withdraw("BlockingPool", "WithdrawAgainstTheThread_RunsOrNeverWill",
                                {.preemptions = 3, .timeouts = 2}, [] {
                                  blocking_pool pool(1, keep_alive);
                                  counted_job first, second;
                                  bool withdrawn = false;
                                  check(pool.submit(first), "refused");

                                  check(pool.submit(second), "refused");
                                  withdrawn = pool.withdraw(second);
                                  pool.stop(much_later());

                                  check(first.runs == 1, "the first has not run once");
                                  check(second.runs == (withdrawn ? 0 : 1), "not as it was told");
                                });

/// Waits in its call for another job to run.
struct meeting {
  detail::os_mutex mutex;
  detail::os_condition changed;
  bool arrived = false;  // guarded by mutex
};
struct waiting_job : blocking_job {
  explicit waiting_job(meeting& at) : place(at) {
    run = [](blocking_job& self) noexcept {
      meeting& with = static_cast<waiting_job&>(self).place;
      std::unique_lock lock(with.mutex);
      with.changed.wait(lock, [&] { return with.arrived; });
    };
  }
  meeting& place;
};
struct arriving_job : blocking_job {
  explicit arriving_job(meeting& at) : place(at) {
    run = [](blocking_job& self) noexcept {
      meeting& with = static_cast<arriving_job&>(self).place;
      const std::lock_guard lock(with.mutex);
      with.arrived = true;
      with.changed.notify_all();
    };
  }
  meeting& place;
};

// One thread is on its way at a time; the one that goes into a call sends the next.
const registered_model blocked_job("BlockingPool", "JobBehindOneThatBlocks_GetsItsOwnThread",
                                   {.preemptions = 3}, [] {
                                     blocking_pool pool(2, keep_alive);
                                     meeting place;
                                     waiting_job waits(place);
                                     arriving_job arrives(place);

                                     check(pool.submit(waits), "refused");
                                     check(pool.submit(arrives), "refused");
                                     pool.stop(much_later());

                                     check(place.arrived, "it has not run");
                                   });

}  // namespace
}  // namespace weft::model
