#include "explore.h"

#include "memory.h"

#include <chrono>

namespace weft::model {
namespace {

void call(void* body) {
  (*static_cast<const std::function<void()>*>(body))();
}

// What a replay must know besides the decisions: the bound decides where there is one to make.
constexpr char unbounded = '*';

std::string prefix_of(const options& bounds) {
  if (bounds.how != strategy::depth_first) return std::string(1, unbounded) + ":";
  return std::to_string(bounds.preemptions) + ":";
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

std::string result::report() const {
  if (passed()) {
    return std::string(complete ? "complete: " : "incomplete: ") + std::to_string(executions) +
           " executions, " + std::to_string(steps) + " steps";
  }
  return failure + "\n  after " + std::to_string(executions) + " executions; replay \"" + replay +
         "\"\n" + trace;
}

result explore(const options& bounds, const std::function<void()>& body, on_failure then) {
  result found;
  choices decisions;
  decisions.begin_search(bounds.how, bounds.seed);
  memory::forget_sites();
  const auto begin = std::chrono::steady_clock::now();
  constexpr std::uint64_t executions_between_looks = 256;
  void* argument = const_cast<void*>(static_cast<const void*>(&body));
  for (;;) {
    const bool passed = execution::run(bounds, execution::mode::search, decisions, call, argument);
    ++found.executions;
    found.steps += execution::steps();
    if (!passed) {
      found.failure = execution::failure();
      decisions.begin_transcript();
      execution::run(bounds, execution::mode::transcript, decisions, call, argument);
      found.replay = prefix_of(bounds) + decisions.replay_string();
      break;
    }
    if (memory::take_new_sharing() && bounds.how == strategy::depth_first) {
      decisions.begin_search(bounds.how, bounds.seed);
    } else if (!decisions.next()) {
      found.complete = true;
      break;
    }
    if (found.executions >= bounds.executions_max) break;
    if (found.executions % executions_between_looks == 0 &&
        seconds_since(begin) > bounds.seconds_max)
      break;
  }
  found.seconds = seconds_since(begin);
  if (!found.passed() && then == on_failure::explain) {
    const result again = replay(bounds, body, found.replay);
    found.trace = again.trace;
    if (!again.passed()) found.failure = again.failure;  // with names instead of addresses
  }
  return found;
}

result replay(const options& bounds, const std::function<void()>& body, const std::string& text) {
  result found;
  options once = bounds;
  once.how = strategy::replay;
  const std::size_t colon = text.find(':');
  choices decisions;
  if (colon == std::string::npos || !decisions.begin_replay(text.substr(colon + 1))) {
    found.failure = "not a replay string: " + text;
    return found;
  }
  const std::string bound = text.substr(0, colon);
  if (bound[0] == unbounded) {
    once.preemptions = once.stale_reads = ~0u;
  } else {
    once.preemptions = static_cast<unsigned>(std::stoul("0" + bound));
  }
  execution::trace_to(&found.trace);
  if (!execution::run(once, execution::mode::replay, decisions, call,
                      const_cast<void*>(static_cast<const void*>(&body))))
    found.failure = execution::failure();
  execution::trace_to(nullptr);
  found.executions = 1;
  found.replay = text;
  return found;
}

int tally::add(int more) noexcept {
  execution::opaque();
  value_ += more;
  return value_;
}
int tally::get() const noexcept {
  execution::opaque();
  return value_;
}

}  // namespace weft::model
