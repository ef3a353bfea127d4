// The values that a task hands on to those it begins: shared, and freed after the last one has used
// them.

#include "../../runtime/context_var.h"
#include "../../runtime/spawn.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "checker/registry.h"

namespace weft::model {
namespace {

task<> look(context_var<int>& variable, outcome& into) {
  check(variable.get() == the_value, "not the value of who began it");
  into.is(end::value);
  co_return;
}

task<> set_and_begin(context_var<int>& variable, outcome& of_first, outcome& of_second) {
  variable.set(the_value);
  spawn(look(variable, of_first)).detach();
  spawn(look(variable, of_second)).detach();
  co_return;
}

const registered_model shared_values(
    "Context", "TwoTasksWithOneContext_FreeItOnce", {.preemptions = 3}, [] {
      scheduler runs(2, placing::next_worker);
      context_var<int> variable(0);
      outcome of_first, of_second;
      spawn(set_and_begin(variable, of_first, of_second)).detach();

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); });

      check(of_first.how == end::value && of_second.how == end::value, "not both have run");
    });

task<> set_twice(context_var<int>& variable) {
  variable.set(the_value);
  variable.set(the_value + 1);
  co_return;
}

// Somebody who asks for the task's name puts the context elsewhere meanwhile.
const registered_model set_and_ask("Context", "SetAgainstWhoAsksForItsId_LosesNeither",
                                   {.preemptions = 3}, [] {
                                     scheduler runs;
                                     context_var<int> variable(0);
                                     const auto setter = spawn(set_twice(variable));
                                     task_id id = 0;

                                     run_threads([&] { runs.work(); }, [&] { id = setter.id(); });

                                     check(id != 0 && setter.id() == id, "another id");
                                   });

}  // namespace
}  // namespace weft::model
