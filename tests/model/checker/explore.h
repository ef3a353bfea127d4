#pragma once

// What a model is written with. A model is a function that runs as thread 0: it makes the objects,
// starts threads, joins them and checks what came out. explore() runs it once for each schedule.

#include "execution.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace weft::model {

struct result {
  std::uint64_t executions = 0;
  std::uint64_t steps = 0;
  double seconds = 0;
  /// All executions within the bounds were seen.
  bool complete = false;
  /// Empty: none went wrong.
  std::string failure;
  /// Of the failing execution; explore::replay() runs it alone.
  std::string replay;
  /// What its threads did.
  std::string trace;

  [[nodiscard]] bool passed() const noexcept { return failure.empty(); }
  [[nodiscard]] std::string report() const;
};

/// With this, a failing execution is run a second time for its trace.
enum class on_failure : std::uint8_t { explain, stop };

result explore(const options& bounds, const std::function<void()>& body,
               on_failure then = on_failure::explain);
/// One execution, as printed by a failing one.
result replay(const options& bounds, const std::function<void()>& body, const std::string& text);

// ---- Inside a model

/// A thread of the model. Joined by its destructor.
class thread {
 public:
  template <class F>
  explicit thread(F body) : number_(execution::start_thread(&run<F>, new F(std::move(body)))) {}
  ~thread() { join(); }
  thread(const thread&) = delete;
  thread& operator=(const thread&) = delete;

  void join() noexcept {
    if (!joined_) execution::join_thread(number_);
    joined_ = true;
  }

 private:
  template <class F>
  static void run(void* body) {
    auto* function = static_cast<F*>(body);
    (*function)();
    delete function;
  }

  unsigned number_;
  bool joined_ = false;
};

/// Runs the functions as threads until all have ended.
template <class... F>
void run_threads(F... bodies) {
  [[maybe_unused]] const thread threads[] = {thread(std::move(bodies))...};
}

/// The model fails with this text.
inline void check(bool holds, const char* what) {
  if (!holds) execution::fail(what);
}

/// A decision of the model's own, explored like the others: one of 0 .. total-1.
inline unsigned choose(unsigned total) noexcept {
  return execution::choose(total);
}

/// A number that threads of a model may change without synchronisation: bookkeeping, not part of
/// what is modelled.
class tally {
 public:
  tally() noexcept = default;
  int add(int more) noexcept;
  [[nodiscard]] int get() const noexcept;

 private:
  int value_ = 0;
};

}  // namespace weft::model
