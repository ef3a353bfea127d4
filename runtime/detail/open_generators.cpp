#include "open_generators.h"

#include "spin_lock.h"
#include "task_state.h"

namespace weft::detail {
namespace {

/// Of the process, by the index of the scheduler, because a generator may outlive it.
struct open_list {
  spin_lock lock;
  intrusive_list<open_generator> generators;  // guarded by lock; in the order they were begun
};
constinit open_list lists[255];

}  // namespace

void open_generator::enlist() noexcept {
  runtime_ = here.task->runtime;
  open_list& home = lists[runtime_];
  const spin_guard guard(home.lock);
  home.generators.push_back(*this);
}

void open_generator::leave() noexcept {
  open_list& home = lists[runtime_];
  const spin_guard guard(home.lock);
  if (linked()) intrusive_list<open_generator>::unlink(*this);
}

open_generator* take_open_generator(std::uint8_t runtime) noexcept {
  open_list& home = lists[runtime];
  const spin_guard guard(home.lock);
  return home.generators.pop_front();
}

}  // namespace weft::detail
