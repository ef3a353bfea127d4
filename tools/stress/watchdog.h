#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace weft::stress {

class watchdog;

/// A participant that has to get on: lives in the frame of its task, from when it may first be
/// expected to do something until it has ended.
class heartbeat {
 public:
  heartbeat(watchdog& dog, std::string name);
  heartbeat(const heartbeat&) = delete;
  heartbeat& operator=(const heartbeat&) = delete;
  ~heartbeat();

  /// It has done something. Any thread.
  void beat(std::uint64_t operations = 1) noexcept;

 private:
  friend class watchdog;

  watchdog& dog_;
  const std::string name_;
  //   written by  the participant; read by the watchdog; relaxed: a clock
  std::atomic<std::uint64_t> count_{0};
  // Guarded by the watchdog's mutex.
  std::uint64_t seen_ = 0;
  std::chrono::steady_clock::time_point since_;
};

/// Looks whether every participant gets on. One that does nothing for `patience` is a lost wake-up
/// or a deadlock: on_stall is called with the names of those that stand still, once.
///
/// Threads: its own looks; heartbeats come and go on any thread.
class watchdog {
 public:
  using stall_handler = std::function<void(const std::string& who)>;
  using look_handler = std::function<void()>;

  /// on_look is called about twice a second.
  watchdog(std::chrono::milliseconds patience, stall_handler on_stall, look_handler on_look);
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  ~watchdog();

  /// All beats so far.
  [[nodiscard]] std::uint64_t operations() const;

 private:
  friend class heartbeat;

  void watch();
  [[nodiscard]] std::string standing_still();

  const std::chrono::milliseconds patience_;
  const stall_handler on_stall_;
  const look_handler on_look_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::vector<heartbeat*> beats_;
  std::uint64_t finished_operations_ = 0;  // of participants that have ended
  bool stopped_ = false;

  std::thread thread_;
};

}  // namespace weft::stress
