#include "watchdog.h"

#include "disturbance.h"

#include <algorithm>
#include <utility>

namespace weft::stress {

using namespace std::chrono_literals;

heartbeat::heartbeat(watchdog& dog, std::string name)
    : dog_(dog), name_(std::move(name)), since_(std::chrono::steady_clock::now()) {
  const std::lock_guard lock(dog_.mutex_);
  dog_.beats_.push_back(this);
}

heartbeat::~heartbeat() {
  const std::lock_guard lock(dog_.mutex_);
  std::erase(dog_.beats_, this);
  dog_.finished_operations_ += count_.load(std::memory_order_relaxed);
}

void heartbeat::beat(std::uint64_t operations) noexcept {
  count_.fetch_add(operations, std::memory_order_relaxed);
  enlist_this_thread();
}

watchdog::watchdog(std::chrono::milliseconds patience, stall_handler on_stall, look_handler on_look)
    : patience_(patience),
      on_stall_(std::move(on_stall)),
      on_look_(std::move(on_look)),
      thread_([this] { watch(); }) {}

watchdog::~watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::uint64_t watchdog::operations() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t total = finished_operations_;
  for (const heartbeat* each : beats_) total += each->count_.load(std::memory_order_relaxed);
  return total;
}

void watchdog::watch() {
  constexpr auto between_looks = 100ms;
  constexpr int looks_between_reports = 5;
  for (int looks = 0;; ++looks) {
    std::string who;
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, between_looks, [this] { return stopped_; })) return;
      who = standing_still();
    }
    if (!who.empty()) return on_stall_(who);
    if (looks % looks_between_reports == 0) on_look_();
  }
}

/// Called with mutex_ held.
std::string watchdog::standing_still() {
  const auto now = std::chrono::steady_clock::now();
  std::string names;
  for (heartbeat* each : beats_) {
    const std::uint64_t count = each->count_.load(std::memory_order_relaxed);
    if (count != each->seen_) {
      each->seen_ = count;
      each->since_ = now;
    } else if (now - each->since_ > patience_) {
      names += (names.empty() ? "" : ", ") + each->name_;
    }
  }
  return names;
}

}  // namespace weft::stress
