#include "held_locks.h"

#include "task_state.h"
#include "threads.h"

#include <mutex>
#include <new>
#include <unordered_map>

namespace weft::detail::held_locks {
namespace {

struct lock_table {
  os_mutex mutex;
  // Guarded by mutex.
  std::unordered_map<const void*, const task_state*> holders;
  std::unordered_map<const task_state*, std::size_t> counts;  // of their locks

  void forget(std::unordered_map<const void*, const task_state*>::iterator held) noexcept {
    const auto count = counts.find(held->second);
    if (--count->second == 0) counts.erase(count);
    holders.erase(held);
  }
};

/// Never destroyed: a static lock may be unlocked after it.
lock_table& table() {
  static auto* const locks = new lock_table;
  return *locks;
}

bool is_observed(const task_state& task) noexcept {
  const task_extra* const extra = find_extra(task);
  return extra != nullptr && extra->observed;
}

}  // namespace

bool note(const void* lock) noexcept {
  const task_state* const task = here.task;
  if (task == nullptr || !is_observed(*task)) return false;
  try {
    lock_table& locks = table();
    const std::lock_guard guard(locks.mutex);
    if (const auto old = locks.holders.find(lock); old != locks.holders.end()) locks.forget(old);
    std::size_t& count = locks.counts[task];  // stays zero if there is memory for this only
    locks.holders.emplace(lock, task);
    ++count;
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void forget(const void* lock) noexcept {
  lock_table& locks = table();
  const std::lock_guard guard(locks.mutex);
  const auto held = locks.holders.find(lock);
  if (held != locks.holders.end()) locks.forget(held);
}

const task_state* holder_of(const void* lock) noexcept {
  lock_table& locks = table();
  const std::lock_guard guard(locks.mutex);
  const auto held = locks.holders.find(lock);
  return held == locks.holders.end() ? nullptr : held->second;
}

std::size_t forget_all_of(const task_state& task) noexcept {
  lock_table& locks = table();
  const std::lock_guard guard(locks.mutex);
  const auto count = locks.counts.find(&task);
  if (count == locks.counts.end()) return 0;
  const std::size_t found = count->second;
  if (found > 0)
    std::erase_if(locks.holders, [&](const auto& each) { return each.second == &task; });
  locks.counts.erase(count);
  return found;
}

}  // namespace weft::detail::held_locks
