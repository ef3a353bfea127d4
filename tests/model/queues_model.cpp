// Inbox, ring of ready tasks, deque of forks: each task that goes in comes out once, with what was
// written to it before. The plain fields of the tasks are watched for races.

#include "../../runtime/detail/fork_deque.h"
#include "../../runtime/detail/inbox.h"
#include "../../runtime/detail/run_queue.h"
#include "checker/registry.h"

#include <array>

namespace weft::model {
namespace {

using namespace weft::detail;

/// Tasks with a number, which must each be taken once.
template <unsigned Count>
class numbered_tasks {
 public:
  task_state& make(unsigned number) noexcept {
    tasks_[number].worker = static_cast<std::uint16_t>(number);  // read by who takes it
    return tasks_[number];
  }
  /// The caller has taken the task. Returns its number.
  unsigned take(task_state& task) noexcept {
    const unsigned number = task.worker;
    check(&task == &tasks_[number], "a task is not what it was");
    check(taken_[number].add(1) == 1, "a task is taken twice");
    return number;
  }
  void expect_all_taken(unsigned made = Count) noexcept {
    for (unsigned i = 0; i < made; ++i) check(taken_[i].get() == 1, "a task is lost");
  }
  [[nodiscard]] bool taken(unsigned number) const noexcept { return taken_[number].get() != 0; }

 private:
  std::array<task_state, Count> tasks_{};
  std::array<tally, Count> taken_{};
};

// ---- Inbox

const registered_model inbox_two_senders("Inbox", "TwoSenders_TasksArriveOnceAndInOrder",
                                         {.preemptions = 3}, [] {
                                           inbox box;
                                           numbered_tasks<3> tasks;
                                           const auto take_all = [&] {
                                             task_fifo arrived;
                                             const std::size_t count = box.take(arrived);
                                             check(count == arrived.size(), "take() miscounts");
                                             while (task_state* task = arrived.pop()) {
                                               if (tasks.take(*task) == 1)
                                                 check(tasks.taken(0),
                                                       "tasks of one sender changed places");
                                             }
                                           };

                                           run_threads(
                                               [&] {
                                                 box.push(tasks.make(0));
                                                 box.push(tasks.make(1));
                                               },
                                               [&] { box.push(tasks.make(2)); },
                                               [&] {
                                                 take_all();
                                                 take_all();
                                               });
                                           take_all();

                                           tasks.expect_all_taken();
                                           check(box.empty(), "a task is left");
                                         });

const registered_model inbox_two_takers("Inbox", "OwnerAndRescuer_ShareTheTasks",
                                        {.preemptions = 3}, [] {
                                          inbox box;
                                          numbered_tasks<2> tasks;
                                          const auto take_all = [&] {
                                            task_fifo arrived;
                                            box.take(arrived);
                                            while (task_state* task = arrived.pop())
                                              tasks.take(*task);
                                          };

                                          run_threads(
                                              [&] {
                                                box.push(tasks.make(0));
                                                box.push(tasks.make(1));
                                              },
                                              take_all, take_all);
                                          take_all();

                                          tasks.expect_all_taken();
                                        });

// A taken task goes back: the head has a value that a slow sender has seen before.
const registered_model inbox_task_comes_back("Inbox", "TaskThatComesBack_IsNotLost",
                                             {.preemptions = 3}, [] {
                                               inbox box;
                                               task_state a{}, b{};
                                               tally taken;
                                               const auto take_all = [&] {
                                                 task_fifo arrived;
                                                 box.take(arrived);
                                                 task_state* first = arrived.pop();
                                                 for (task_state* task = first; task != nullptr;
                                                      task = arrived.pop())
                                                   taken.add(1);
                                                 return first;
                                               };
                                               box.push(a);

                                               run_threads([&] { box.push(b); },
                                                           [&] {
                                                             if (task_state* task = take_all()) {
                                                               taken.add(-1);
                                                               box.push(*task);
                                                             }
                                                           });
                                               take_all();

                                               check(taken.get() == 2, "a task is lost or doubled");
                                             });

// ---- Ring

void ring_with_thieves(unsigned tasks_made, unsigned thieves) {
  run_queue ring;
  run_queue stolen[2];
  numbered_tasks<5> tasks;
  unsigned next = 0;
  const auto take_from = [&](run_queue& from) {
    while (task_state* task = from.pop()) tasks.take(*task);
  };
  const auto owner = [&] {
    for (; next < tasks_made; ++next) {
      // What is refused stays with the owner.
      if (!ring.push(tasks.make(next))) tasks.take(tasks.make(next));
      if (next == 1) {
        if (task_state* task = ring.pop()) tasks.take(*task);
      }
    }
    take_from(ring);
  };
  const auto thief = [&](unsigned i) {
    return [&, i] {
      ring.steal(stolen[i], 1);
      take_from(stolen[i]);
    };
  };

  if (thieves == 1) {
    run_threads(owner, thief(0));
  } else {
    run_threads(owner, thief(0), thief(1));
  }

  tasks.expect_all_taken(tasks_made);
}

const registered_model ring_one_thief("Ring", "Thief_TakesEachTaskOnce",
                                      {.preemptions = 3, .no_early_loads = true},
                                      [] { ring_with_thieves(4, 1); });

const registered_model ring_two_thieves("Ring", "TwoThieves_TakeEachTaskOnce",
                                        {.preemptions = 2, .no_early_loads = true},
                                        [] { ring_with_thieves(2, 2); });

const registered_model ring_wraps("Ring", "ReusedSlots_DoNotReachASlowThief",
                                  {.preemptions = 3, .no_early_loads = true}, [] {
                                    run_queue ring, stolen;
                                    numbered_tasks<6> tasks;
                                    const auto take_from = [&](run_queue& from) {
                                      while (task_state* task = from.pop()) tasks.take(*task);
                                    };
                                    for (unsigned i = 0; i < 3; ++i) ring.push(tasks.make(i));

                                    run_threads(
                                        [&] {
                                          tasks.take(*ring.pop());
                                          for (unsigned i = 3; i < 6; ++i) {
                                            if (ring.push(tasks.make(i))) continue;
                                            if (task_state* task = ring.pop()) tasks.take(*task);
                                            if (!ring.push(tasks.make(i)))
                                              tasks.take(tasks.make(i));
                                          }
                                        },
                                        [&] {
                                          ring.steal(stolen, 1);
                                          take_from(stolen);
                                        });
                                    take_from(ring);

                                    tasks.expect_all_taken();
                                  });

// What a thief has taken, a second one may take from its ring.
const registered_model ring_stolen_twice("Ring", "StolenTask_IsStolenAgainWithWhatWasWritten",
                                         {.preemptions = 3, .no_early_loads = true}, [] {
                                           run_queue ring, stolen, stolen_again;
                                           numbered_tasks<3> tasks;
                                           const auto take_from = [&](run_queue& from) {
                                             while (task_state* task = from.pop())
                                               tasks.take(*task);
                                           };

                                           run_threads(
                                               [&] {
                                                 for (unsigned i = 0; i < 3; ++i)
                                                   ring.push(tasks.make(i));
                                               },
                                               [&] { ring.steal(stolen, 3); },
                                               [&] {
                                                 stolen.steal(stolen_again, 1);
                                                 take_from(stolen_again);
                                               });
                                           take_from(ring);
                                           take_from(stolen);

                                           tasks.expect_all_taken();
                                         });

const registered_model ring_wraps_one_by_one("Ring", "ReusedSlots_DoNotReachASlowThiefOfOne",
                                             {.preemptions = 3, .no_early_loads = true}, [] {
                                               run_queue ring;
                                               numbered_tasks<5> tasks;
                                               for (unsigned i = 0; i < 3; ++i)
                                                 ring.push(tasks.make(i));

                                               run_threads(
                                                   [&] {
                                                     for (unsigned i = 3; i < 5; ++i) {
                                                       if (!ring.push(tasks.make(i)))
                                                         tasks.take(tasks.make(i));
                                                     }
                                                   },
                                                   [&] {
                                                     if (task_state* task = ring.steal_one())
                                                       tasks.take(*task);
                                                   });
                                               while (task_state* task = ring.pop())
                                                 tasks.take(*task);

                                               tasks.expect_all_taken();
                                             });

// Those who rescue take one at a time.
const registered_model ring_one_by_one("Ring", "ThiefOfOneAgainstThiefOfHalf_TakeEachTaskOnce",
                                       {.preemptions = 2, .no_early_loads = true}, [] {
                                         run_queue ring, stolen;
                                         numbered_tasks<3> tasks;
                                         const auto take_from = [&](run_queue& from) {
                                           while (task_state* task = from.pop()) tasks.take(*task);
                                         };

                                         run_threads(
                                             [&] {
                                               for (unsigned i = 0; i < 3; ++i)
                                                 ring.push(tasks.make(i));
                                               take_from(ring);
                                             },
                                             [&] {
                                               for (int i = 0; i < 2; ++i) {
                                                 if (task_state* task = ring.steal_one())
                                                   tasks.take(*task);
                                               }
                                             },
                                             [&] {
                                               ring.steal(stolen, 1);
                                               take_from(stolen);
                                             });

                                         tasks.expect_all_taken();
                                       });

// ---- Private ring

/// A ring that its owner has for itself, and who takes tasks from it.
struct private_ring {
  explicit private_ring(unsigned pushed, bool yet = true) {
    for (; made < pushed; ++made) ring.push(tasks.make(made));
    if (yet) ring.make_private();
  }

  void push() {
    // What is refused stays with the owner.
    if (!ring.push(tasks.make(made))) tasks.take(tasks.make(made));
    ++made;
  }
  void push_front() {
    if (!ring.push_front(tasks.make(made))) tasks.take(tasks.make(made));
    ++made;
  }
  void pop() {
    if (task_state* task = ring.pop()) tasks.take(*task);
  }
  void pop_all(run_queue& from) {
    while (task_state* task = from.pop()) tasks.take(*task);
  }
  void steal(unsigned thief, std::uint64_t least = 1) {
    ring.steal(stolen[thief], least);
    pop_all(stolen[thief]);
  }
  void steal_one() {
    if (task_state* task = ring.steal_one()) tasks.take(*task);
  }
  void expect_all_taken() {
    pop_all(ring);
    tasks.expect_all_taken(made);
  }

  run_queue ring;
  run_queue stolen[2];
  numbered_tasks<6> tasks;
  unsigned made = 0;
};

const registered_model private_ring_pop("PrivateRing", "PopsAgainstAThief_TakeEachTaskOnce",
                                        {.preemptions = 3}, [] {
                                          private_ring queue(3);
                                          run_threads(
                                              [&] {
                                                queue.pop();
                                                queue.push();
                                                queue.pop();
                                              },
                                              [&] { queue.steal(0); });
                                          queue.expect_all_taken();
                                        });

const registered_model private_ring_front("PrivateRing", "PushesInFrontAgainstAThief_LoseNone",
                                          {.preemptions = 3}, [] {
                                            private_ring queue(1);
                                            run_threads(
                                                [&] {
                                                  queue.push_front();
                                                  queue.pop();
                                                  queue.push_front();
                                                },
                                                [&] { queue.steal(0); });
                                            queue.expect_all_taken();
                                          });

const registered_model private_ring_thieves("PrivateRing", "TwoThieves_TakeEachTaskOnce",
                                            {.preemptions = 2}, [] {
                                              private_ring queue(2);
                                              run_threads([&] { queue.pop(); },
                                                          [&] { queue.steal_one(); },
                                                          [&] { queue.steal_one(); });
                                              queue.expect_all_taken();
                                            });

// A thief that is slow between its copy and its claim meets a ring that was private in between, and
// whose head went forth and back.
const registered_model private_ring_again("PrivateRing", "SlowThief_DoesNotTakeTheHeadForItsOwn",
                                          {.preemptions = 2}, [] {
                                            private_ring queue(1, false);
                                            run_threads(
                                                [&] {
                                                  queue.ring.make_private();
                                                  queue.pop();
                                                  queue.push_front();
                                                },
                                                [&] { queue.steal_one(); },
                                                [&] { queue.steal_one(); });
                                            queue.expect_all_taken();
                                          });

const registered_model private_ring_full("PrivateRing", "FullRing_RefusesAtBothEnds",
                                         {.preemptions = 2}, [] {
                                           private_ring queue(2);
                                           run_threads(
                                               [&] {
                                                 queue.push_front();
                                                 queue.push();
                                                 queue.push_front();
                                                 queue.pop();
                                                 queue.push();
                                               },
                                               [&] { queue.steal(0, 2); });
                                           queue.expect_all_taken();
                                         });

// A slot that a thief has read is used again only after that.
const registered_model private_ring_reuse("PrivateRing", "ReusedSlots_DoNotReachASlowThief",
                                          {.preemptions = 2, .no_early_loads = true}, [] {
                                            private_ring queue(3, false);
                                            run_threads(
                                                [&] {
                                                  queue.ring.make_private();
                                                  queue.push();
                                                },
                                                [&] { queue.steal_one(); });
                                            queue.expect_all_taken();
                                          });

// Twice private: a slow thief that has seen the first time ends the second one.
const registered_model private_ring_twice("PrivateRing", "ThiefOfAFormerTime_SeesTheHeadOfThis",
                                          {.preemptions = 1}, [] {
                                            private_ring queue(3);
                                            run_threads(
                                                [&] {
                                                  queue.pop();
                                                  queue.ring.make_private();
                                                  queue.pop();
                                                },
                                                [&] { queue.steal_one(); },
                                                [&] { queue.steal_one(); });
                                            queue.expect_all_taken();
                                          });

// ---- Deque of forks

void deque_with_thieves(unsigned thieves) {
  fork_deque deque;
  numbered_tasks<3> tasks;
  const auto push = [&](unsigned number) {
    if (!deque.push(tasks.make(number))) tasks.take(tasks.make(number));
  };
  const auto pop = [&] {
    task_state* task = deque.pop();
    if (task != nullptr) tasks.take(*task);
    return task != nullptr;
  };
  const auto owner = [&] {
    push(0);
    push(1);
    pop();
    push(2);
    while (pop()) {
    }
    check(deque.empty_approx(), "the owner sees no empty deque");
  };
  const auto thief = [&] {
    for (int i = 0; i < 2; ++i) {
      if (task_state* task = deque.steal()) tasks.take(*task);
    }
  };

  if (thieves == 1) {
    run_threads(owner, thief);
  } else {
    run_threads(owner, thief, [&] {
      if (task_state* task = deque.steal()) tasks.take(*task);
    });
  }

  tasks.expect_all_taken();
}

const registered_model deque_one_thief("ForkDeque", "Thief_TakesEachChildOnce",
                                       {.preemptions = 3, .no_early_loads = true},
                                       [] { deque_with_thieves(1); });

const registered_model deque_two_thieves("ForkDeque", "TwoThieves_TakeEachChildOnce",
                                         {.preemptions = 2, .no_early_loads = true},
                                         [] { deque_with_thieves(2); });

// A slow thief has read an old entry of a slot that is used again.
const registered_model deque_wraps("ForkDeque", "ReusedSlots_DoNotReachASlowThief",
                                   {.preemptions = 3, .no_early_loads = true}, [] {
                                     fork_deque deque;
                                     numbered_tasks<4> tasks;
                                     deque.push(tasks.make(0));
                                     deque.push(tasks.make(1));

                                     run_threads(
                                         [&] {
                                           for (unsigned i = 2; i < 4; ++i) {
                                             if (!deque.push(tasks.make(i)))
                                               tasks.take(tasks.make(i));
                                           }
                                           while (task_state* task = deque.pop()) tasks.take(*task);
                                         },
                                         [&] {
                                           for (int i = 0; i < 2; ++i) {
                                             if (task_state* task = deque.steal())
                                               tasks.take(*task);
                                           }
                                         });

                                     tasks.expect_all_taken();
                                   });

}  // namespace
}  // namespace weft::model
