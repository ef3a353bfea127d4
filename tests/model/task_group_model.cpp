// The children of a group end, fail, spawn others and are cancelled on two workers: the owner goes
// on once, after the last of them, sees what they did, and nobody touches a group or child that is
// gone.

#include "../../runtime/task_group.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "around/signal.h"
#include "checker/heap.h"
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

/// The owner is cancelled first, so it has to hear of that.
task<> cancel_owner_and_end(join_handle<>& owner) {
  owner.cancel();
  throw cancelled_error();
  co_return;
}

task<> group_of_one_cancelled(join_handle<>& owner, outcome& into) {
  try {
    const auto body = [&](task_group& group) { group.spawn(cancel_owner_and_end(owner)); };
    co_await with_task_group(body);
    into.is(end::value);
  } catch (const cancelled_error&) {
    into.is(end::cancelled);
  }
}

const registered_model cancelled_end_and_wait(
    "TaskGroup", "CancelledEndAgainstTheOwnersWait_CancelsTheOwner", {.preemptions = 3}, [] {
      scheduler runs(2, placing::next_worker);
      outcome seen;
      join_handle<> owner;
      owner = spawn(group_of_one_cancelled(owner, seen));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

      check(seen.how == end::cancelled, "a cancellation is lost");
    });

task<> end_cancelled() {
  throw cancelled_error();
  co_return;
}

/// Asks for its own cancellation when it has joined the child.
task<> group_of_one_that_ends_cancelled(const int& written, outcome& into) {
  try {
    const auto body = [&](task_group& group) { group.spawn(end_cancelled()); };
    co_await with_task_group(body);
    into.is(end::value);
  } catch (const cancelled_error&) {
    check(written == 1, "not what was written before the cancellation");
    into.is(end::cancelled);
  }
}

const registered_model cancelled_end_and_cancel(
    "TaskGroup", "CancelledEndAgainstCancel_ShowsWhatCameBefore",
    {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs;
      int written = 0;
      outcome seen;
      auto owner = spawn(group_of_one_that_ends_cancelled(written, seen));

      run_threads([&] { runs.work(); },
                  [&] {
                    written = 1;
                    owner.cancel();
                  });

      check(owner.cancelled() || seen.how != end::none, "no end");
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

/// Half of the places are free, and one more is becoming so elsewhere.
task<> spawn_into_used_places(signal& of_first, records& done, outcome& into) {
  const auto body = [&](task_group& group) -> task<> {
    group.spawn(wait_for(of_first, done.ended[0]));
    for (int i = 0; i < 3; ++i) group.spawn(end_at_once(done.ended[1]));
    co_await yield();  // these end
    group.spawn(end_at_once(done.ended[2]));
  };
  co_await with_task_group(body);
  check(done.all() == 5, "a child goes on");
  into.is(end::value);
}

const registered_model use_places_again("TaskGroup", "SpawnAgainstEnd_UsesNoPlaceBeforeItIsFree",
                                        {.preemptions = 2, .stale_reads = 1}, [] {
                                          scheduler runs(2);
                                          signal of_first;
                                          records done;
                                          outcome seen;
                                          const auto owner =
                                              spawn(spawn_into_used_places(of_first, done, seen));
                                          const auto waker = spawn(set_signal(of_first));

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

// Both find no place, and each makes room.
task<> group_of_two_that_spawn(two_children& all, outcome& into) {
  const auto wait_and_spawn = [](task_group& group, signal& awaited, int& of_sibling) -> task<> {
    co_await awaited.wait();
    group.spawn(end_at_once(of_sibling));
  };
  const auto body = [&](task_group& group) {
    group.spawn(wait_and_spawn(group, all.of_first, all.done.ended[0]));
    group.spawn(wait_and_spawn(group, all.of_second, all.done.ended[1]));
  };
  co_await with_task_group(body);
  check(all.done.all() == 2, "a child goes on");
  into.is(end::value);
}

const registered_model grow_twice("TaskGroup", "SpawnAgainstSpawn_GivesEachAPlace",
                                  {.preemptions = 2, .stale_reads = 1}, [] {
                                    scheduler runs(2);
                                    two_children all;
                                    outcome seen;
                                    all.of_second.set(the_value);
                                    const auto owner = spawn(group_of_two_that_spawn(all, seen));
                                    const auto waker = spawn(set_signal(all.of_first));

                                    run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

                                    check(seen.how == end::value, "no end");
                                  });

/// As dump_tasks and who looks for deadlocks.
void visit_children_of(const join_handle<>& owner) {
  const auto visit = [](void*, const detail::task_state& child) noexcept {
    check(heap::owns(&child), "that is no child");
  };
  const auto look = [](void* visit, const detail::task_state& waits) noexcept {
    detail::visit_awaited(waits, *static_cast<detail::visit_function*>(visit), nullptr);
  };
  detail::visit_function each = visit;
  (void)detail::waits_for(*owner.state(), look, &each);
}

/// Its only child spawns one that waits.
task<> group_that_is_visited(signal& visited, records& done, outcome& into) {
  const auto spawn_one = [](task_group& group, signal& awaited, int& ended) -> task<> {
    group.spawn(wait_for(awaited, ended));
    co_return;
  };
  const auto body = [&](task_group& group) {
    group.spawn(spawn_one(group, visited, done.ended[0]));
  };
  co_await with_task_group(body);
  into.is(end::value);
}

const registered_model grow_and_visit("TaskGroup", "SpawnAgainstVisit_ShowsAChildOrNone",
                                      {.preemptions = 2, .stale_reads = 1}, [] {
                                        scheduler runs;
                                        signal visited;
                                        records done;
                                        outcome seen;
                                        const auto owner =
                                            spawn(group_that_is_visited(visited, done, seen));

                                        run_threads([&] { runs.work(); },
                                                    [&] {
                                                      visit_children_of(owner);
                                                      visited.set(the_value);
                                                    });

                                        check(seen.how == end::value, "no end");
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

// ---- Without an owner

/// Its body waits for what never comes.
task<> group_without_end(signal& never, task<> child, outcome& into) {
  try {
    const auto body = [&](task_group& group) -> task<> {
      group.spawn(std::move(child));
      co_await never.wait();
    };
    co_await with_task_group(body);
  } catch (const exception_group&) {
    into.is(end::failed);
  }
}

/// The last resort of a shutdown. False: the task runs, or is about to.
task<> destroy_where_it_waits(const join_handle<>& which, bool& destroyed) {
  destroyed = detail::condemn(*which.state());
  co_return;
}

const registered_model end_without_owner(
    "TaskGroup", "EndAgainstTheEndOfTheOwner_IsNotAwaited", {.preemptions = 3, .stale_reads = 1},
    [] {
      scheduler runs(2);
      signal awaited, never;
      records done;
      outcome seen;
      bool destroyed = false;
      const auto owner = spawn(group_without_end(never, wait_for(awaited, done.ended[0]), seen));
      const auto waker = spawn(set_signal(awaited));
      const auto last_resort = spawn(destroy_where_it_waits(owner, destroyed));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

      check(destroyed && owner.cancelled(), "it goes on");
      check(done.all() == 1, "its child has not ended");
    });

// The failure interrupts the body, or comes too late for that.
const registered_model failure_without_owner(
    "TaskGroup", "FailureAgainstTheEndOfTheOwner_IsNotAwaited",
    {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2);
      signal awaited, never;
      outcome seen;
      bool destroyed = false;
      const auto owner = spawn(group_without_end(never, fail_after(awaited), seen));
      const auto waker = spawn(set_signal(awaited));
      const auto last_resort = spawn(destroy_where_it_waits(owner, destroyed));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

      check(owner.cancelled() == destroyed, "destroyed, or not");
      check(destroyed || seen.how == end::failed, "no failure");
    });

}  // namespace
}  // namespace weft::model
