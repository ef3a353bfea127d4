#pragma once

// What weft-ps and weft-top ask: a socket of the process that tells anybody of the same user about
// its tasks.
//
// One thread serves all runtimes of the process that may be looked into, so that it answers while
// their workers are stuck. It exists, with its two descriptors, while such a runtime does. The
// socket lies in Linux's abstract name space, by the number of the process: no file can be left
// behind, and it is found without knowing where the process keeps its files. That name space has no
// permissions, so each client is asked for its user, by the kernel: ours and root may look.
//
// Who connects is sent the answer at once, and nothing is read: one line a fact, a word and the
// rest, from the greeting to "end". Of each task in turn
//
//   weft-inspection 1
//   runtime 4 NAME              number of workers, name (may be empty)
//   metric polls_total 1234     a counter, or what is there now
//   task 17 3 suspended         id, the id of who has spawned it, or 0, and what it does
//   name fetch
//   where gather()              what it waits for
//   awaits 18                   a task whose end, or lock, it waits for
//   at fetch(int) at a.cpp:7    a coroutine it waits in, the innermost first
//   more 5                      so many coroutines are left out
//   end
//
// Clients are served one after the other; one that does not read is given up after two seconds.
//
// Rejected: memory read from outside (it needs to know every layout, and stops the process); a file
// below $XDG_RUNTIME_DIR (weft-ps may run with another one; left behind by a crash); a task of the
// runtime as server (silent when it is needed most).

#include "intrusive_list.h"

#include <string>

namespace weft::detail {

class scheduler;

/// The first line of each answer, with its version.
extern const char inspection_greeting[];

/// Is WEFT_PS set, to anything but 0 and the empty string?
bool inspectable_by_environment() noexcept;

/// A runtime's counters, one a line: "name value".
using metrics_writer = std::string (*)(scheduler& of);

/// While it lives, weft-ps may look into a runtime.
///
/// The last handle on a task that ends meanwhile may be the one that looks: then its result is
/// destroyed on the thread that answers.
/// Threads: made and destroyed on any.
class inspection : public list_node {
 public:
  /// Throws std::system_error when the socket or the thread cannot be had.
  inspection(scheduler& of, metrics_writer writer);
  ~inspection();
  inspection(const inspection&) = delete;
  inspection& operator=(const inspection&) = delete;

  [[nodiscard]] scheduler& runtime() const noexcept { return runtime_; }
  [[nodiscard]] std::string metrics() const { return metrics_(runtime_); }

 private:
  scheduler& runtime_;
  const metrics_writer metrics_;
};

}  // namespace weft::detail
