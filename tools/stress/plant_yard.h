#pragma once

#include <weft/runtime/task.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace weft::stress {

/// Where leaks that were built in lie until the end of the run, so that leak detectors of the build
/// do not report what the harness has to notice. Threads: any.
class plant_yard {
 public:
  static plant_yard& get();

  void leak_memory();
  void leak_descriptor();
  void leak_thread();
  void leak_task();

  /// Cleans up: nothing is leaked any more.
  void clear();

 private:
  std::mutex mutex_;
  std::condition_variable cleared_;
  // Guarded by mutex_.
  struct block {
    std::unique_ptr<block> next;
    unsigned char filling[1000];
  };
  std::unique_ptr<block> blocks_;
  std::vector<int> descriptors_;
  std::vector<std::thread> threads_;
  std::vector<task<>> tasks_;
  bool is_cleared_ = false;
};

}  // namespace weft::stress
