// The children of a group end, fail, spawn others and are cancelled on two workers: the owner goes
// on once, after the last of them, sees what they did, and nobody touches a group or child that is
// gone.

#include "../../runtime/task_group.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "around/signal.h"
#include "checker/registry.h"

#include <stdexcept>

namespace weft::model {
namespace {

/// What the children have done, each its own, watched for races.
struct records {
  int ended[3] = {};
  [[nodiscard]] int all() const noexcept { return ended[0] + ended[1] + ended[2]; }
};

task<> wait_for(signal& awaited, int& ended) {
  co_await awaited.wait();
  ++ended;
}
task<> end_at_once(int& ended) {
  ++ended;
  co_return;
}
task<> fail_after(signal& awaited) {
  co_await awaited.wait();
  throw std::runtime_error("expected");
}
/// A child that it wakes goes on where this runs.
task<> set_signal(signal& which) {
  which.set(the_value);
  co_return;
}

task<> group_of_one(records& done, outcome& into) {
  const auto body = [&](task_group& group) { group.spawn(end_at_once(done.ended[0])); };
  co_await with_task_group(body);
  check(done.all() == 1, "the child goes on");
  into.is(end::value);
}

const registered_model end_and_wait("TaskGroup", "EndAgainstTheOwnersWait_IsSeen",
                                    {.preemptions = 3}, [] {
                                      scheduler runs(2, placing::next_worker);
                                      records done;
                                      outcome seen;
                                      const auto owner = spawn(group_of_one(done, seen));

                                      run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

                                      check(seen.how == end::value, "no end");
                                    });

struct two_children {
  signal of_first, of_second;
  records done;
};

task<> group_of_both(two_children& all, outcome& into) {
  try {
    const auto body = [&](task_group& group) {
      group.spawn(wait_for(all.of_first, all.done.ended[0]));
      group.spawn(wait_for(all.of_second, all.done.ended[1]));
    };
    co_await with_task_group(body);
    check(all.done.all() == 2, "a child goes on");
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model both_end("TaskGroup", "EndAgainstEnd_WakesTheOwnerOnce",
                                {.preemptions = 2, .stale_reads = 1}, [] {
                                  scheduler runs(2);
                                  two_children all;
                                  outcome seen;
                                  const auto owner = spawn(group_of_both(all, seen));
                                  const auto waker = spawn(set_signal(all.of_first));

                                  run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                              [&] { all.of_second.set(the_value); });

                                  check(seen.how == end::value, "no end");
                                });

const registered_model end_and_cancel(
    "TaskGroup", "EndAgainstCancel_AwaitsAllChildren", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2);
      two_children all;
      outcome seen;
      all.of_second.set(the_value);
      auto owner = spawn(group_of_both(all, seen));
      const auto waker = spawn(set_signal(all.of_first));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); }, [&] { owner.cancel(); });

      check(owner.cancelled() || seen.how != end::none, "no end");
      if (seen.how != end::value) return;
      check(!detail::request_pending(*owner.state()) || all.done.all() == 2, "a request is lost");
    });

// ---- Spawning

/// The first child has ended, or ends this moment, elsewhere: its place is used again, or is not.
task<> spawn_beside_an_end(records& done, outcome& into) {
  signal aside;
  aside.set(the_value);
  const auto body = [&](task_group& group) -> task<> {
    group.spawn(end_at_once(done.ended[0]));
    group.spawn(end_at_once(done.ended[1]));
    co_await aside.wait();
    group.spawn(end_at_once(done.ended[2]));
  };
  co_await with_task_group(body);
  check(done.all() == 3, "a child goes on");
  into.is(end::value);
}

const registered_model spawn_and_end("TaskGroup", "SpawnAgainstEnd_UsesAPlaceOnceAtATime",
                                     {.preemptions = 3, .stale_reads = 1}, [] {
                                       scheduler runs(2, placing::next_worker);
                                       records done;
                                       outcome seen;
                                       const auto owner = spawn(spawn_beside_an_end(done, seen));

                                       run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

                                       check(seen.how == end::value, "no end");
                                     });

task<> spawn_sibling(task_group& group, int& ended, int& of_sibling) {
  group.spawn(end_at_once(of_sibling));
  ++ended;
  co_return;
}

/// The owner waits already, or does not, when a child spawns.
task<> group_that_grows(records& done, outcome& into) {
  const auto body = [&](task_group& group) {
    group.spawn(spawn_sibling(group, done.ended[0], done.ended[1]));
    group.spawn(end_at_once(done.ended[2]));
  };
  co_await with_task_group(body);
  check(done.all() == 3, "a child goes on");
  into.is(end::value);
}

const registered_model grow("TaskGroup", "ChildThatSpawns_IsAwaitedWithItsSibling",
                            {.preemptions = 2, .stale_reads = 1}, [] {
                              scheduler runs(2, placing::next_worker);
                              records done;
                              outcome seen;
                              const auto owner = spawn(group_that_grows(done, seen));

                              run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

                              check(seen.how == end::value, "no end");
                            });

task<> group_of_one_that_spawns(records& done, outcome& into) {
  try {
    const auto body = [&](task_group& group) {
      group.spawn(spawn_sibling(group, done.ended[0], done.ended[1]));
    };
    co_await with_task_group(body);
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  } catch (const exception_group&) {  // the sibling was refused
    into.is(end::failed);
  }
}

const registered_model grow_and_cancel("TaskGroup", "SpawnAgainstCancel_IsCancelledOrRefused",
                                       {.preemptions = 2, .stale_reads = 0}, [] {
                                         scheduler runs(2, placing::next_worker);
                                         records done;
                                         outcome seen;
                                         auto owner = spawn(group_of_one_that_spawns(done, seen));

                                         run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                     [&] { owner.cancel(); });

                                         check(owner.cancelled() || seen.how != end::none,
                                               "no end");
                                       });

// ---- Failing

/// The sibling never ends by itself: the failure cancels it.
task<> group_that_fails(signal& fails, signal& never, records& done, outcome& into) {
  try {
    const auto body = [&](task_group& group) {
      group.spawn(fail_after(fails));
      group.spawn(wait_for(never, done.ended[0]));
    };
    co_await with_task_group(body);
  } catch (const exception_group& group) {
    // ... and that of the body, whose second spawn came too late.
    check(group.exceptions().size() <= 2, "another number of failures");
    into.is(end::failed);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model failure_and_cancel(
    "TaskGroup", "FailureAgainstCancel_EndsTheSiblingOnce", {.preemptions = 2, .stale_reads = 0},
    [] {
      scheduler runs(2, placing::next_worker);
      signal fails, never;
      records done;
      outcome seen;
      fails.set(the_value);
      auto owner = spawn(group_that_fails(fails, never, done, seen));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); }, [&] { owner.cancel(); });

      check(owner.cancelled() || seen.how == end::failed || seen.how == end::cancelled, "no end");
      check(done.all() == 0, "the sibling has ended by itself");
    });

/// It is over for the sibling as well.
task<> group_of_failure_and_end(two_children& all, outcome& into) {
  try {
    const auto body = [&](task_group& group) {
      group.spawn(fail_after(all.of_first));
      group.spawn(wait_for(all.of_second, all.done.ended[0]));
    };
    co_await with_task_group(body);
  } catch (const exception_group&) {
    into.is(end::failed);
  }
}

const registered_model failure_and_end("TaskGroup",
                                       "FailureAgainstEndOfTheSibling_DropsEachChildOnce",
                                       {.preemptions = 2}, [] {
                                         scheduler runs(2);
                                         two_children all;
                                         outcome seen;
                                         const auto owner =
                                             spawn(group_of_failure_and_end(all, seen));
                                         const auto waker = spawn(set_signal(all.of_first));

                                         run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                                                     [&] { all.of_second.set(the_value); });

                                         check(seen.how == end::failed, "no failure");
                                       });

}  // namespace
}  // namespace weft::model
