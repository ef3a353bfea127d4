// A lock that its owner takes at no cost: whoever else comes, one is inside at a time and sees what
// the others have done there. The plain fields that it guards are watched for races.

#include "../../runtime/detail/biased_lock.h"
#include "checker/registry.h"

namespace weft::model {
namespace {

using detail::biased_lock;

struct guarded {
  void add_as_owner() noexcept {
    const biased_lock::owner_guard guard(lock);
    add();
  }
  void add_as_visitor() noexcept {
    const biased_lock::visitor_guard guard(lock);
    add();
  }
  /// A look at the counter and a step, with somebody else's in between if there were room.
  void add() noexcept {
    const int seen = count;
    detail::chaos::point();
    count = seen + 1;
  }

  biased_lock lock;
  int count = 0;
};

const registered_model owner_and_visitor("BiasedLock", "OwnerAgainstVisitor_OneIsInsideAtATime",
                                         {.preemptions = 3}, [] {
                                           guarded counter;

                                           run_threads(
                                               [&] {
                                                 counter.lock.bias();
                                                 counter.add_as_owner();
                                                 counter.lock.bias();
                                                 counter.add_as_owner();
                                               },
                                               [&] {
                                                 counter.add_as_visitor();
                                                 counter.add_as_visitor();
                                               });

                                           check(counter.count == 4, "a step is lost");
                                         });

const registered_model owner_and_visitors("BiasedLock", "OwnerAgainstVisitors_OneIsInsideAtATime",
                                          {.preemptions = 2}, [] {
                                            guarded counter;
                                            counter.lock.bias();
                                            const auto visit = [&] { counter.add_as_visitor(); };

                                            run_threads(
                                                [&] {
                                                  counter.add_as_owner();
                                                  counter.lock.bias();
                                                  counter.add_as_owner();
                                                },
                                                visit, visit);

                                            check(counter.count == 4, "a step is lost");
                                          });

}  // namespace
}  // namespace weft::model
