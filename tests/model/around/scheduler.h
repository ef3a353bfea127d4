#pragma once

// The scheduler of a model: just so much of one as tasks need. It stands above the production code
// that is checked, behind the calls that go up (schedule, task_ended and their neighbours) and the
// few members of detail::scheduler that spawn() uses.
//
// A worker is a thread of the model that calls work(). What is woken on a worker runs there next, so
// tasks move to who wakes them, without a queue in between, as they do in the real scheduler; what
// others wake goes to the worker where the task ran last. There is no stealing and no sleep: those
// belong to the models of the real workers.

#include "../../../runtime/detail/task_fifo.h"
#include "../checker/explore.h"
#include "../checker/mailbox.h"

#include <array>

namespace weft::model {

/// Where a task goes that a worker has begun or queued behind others.
enum class placing : std::uint8_t {
  here,
  next_worker,  // as if a thief had been waiting for it
};

class scheduler {
 public:
  explicit scheduler(unsigned workers = 1, placing new_tasks = placing::here) noexcept;
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// Runs tasks on this thread until all that were spawned have ended. Spawn one before.
  void work(unsigned worker = 0) noexcept;

  /// Tasks whose failure nobody has seen.
  [[nodiscard]] int unretrieved() const noexcept { return unretrieved_.get(); }

  // Behind the calls that come up.
  static scheduler& current() noexcept;
  void add_task() noexcept;
  void remove_task() noexcept;
  void schedule(detail::task_state& task) noexcept;
  void schedule_back(detail::task_state& task) noexcept;
  void report_unretrieved() noexcept { unretrieved_.add(1); }
  std::uint16_t next_place() noexcept {
    return static_cast<std::uint16_t>((placed_.add(1) - 1) % static_cast<int>(workers_));
  }

 private:
  static constexpr unsigned workers_max = 2;
  struct worker_queues {
    mailbox arrived;
    detail::task_fifo ready;
  };

  static void execute(detail::task_state& task, unsigned worker) noexcept;

  const unsigned workers_;
  const placing new_tasks_;
  tally placed_;
  tally alive_;
  tally unretrieved_;
  std::array<worker_queues, workers_max> each_;
};

}  // namespace weft::model
