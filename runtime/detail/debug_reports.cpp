#include "debug_reports.h"

#include "../exception_context.h"
#include "await_chain.h"
#include "scheduler.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

namespace weft::detail {
namespace {

std::string describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {  // nothing to ask
    return "unknown exception";
  }
}

/// The runtime that this thread works for, or null.
scheduler* runtime_here() noexcept {
  if (worker* self = worker::current()) return &self->home();
  if (here.task != nullptr) return &scheduler::at(here.task->runtime);  // on an executor's thread
  return nullptr;
}

/// Of a mistake that was seen on this thread, if anybody wants to know.
template <class Text>
void report_mistake(Text text) noexcept {
  scheduler* const home = runtime_here();
  if (home != nullptr ? !home->debug() : !debug_by_environment()) return;
  try {
    const std::string message = text();
    exception_context context;
    context.message = message;
    if (here.task != nullptr) context.task = id_of(*here.task);
    home != nullptr ? home->report(context) : print_report(context);
  } catch (...) {  // out of memory: the mistake is not told
  }
}

std::string what_follows(task_state& task) {
  if (done(task)) return "; then it ended";
  resume_point place;
  const auto look = [](void* into, const task_state& waiting) noexcept {
    *static_cast<resume_point*>(into) = resume_point_of(innermost_frame(waiting));
  };
  const char* const where = waits_for(task, look, &place);
  if (where == nullptr) return {};
  return std::string("; now it waits for ") + where + " in " + place.text();
}

}  // namespace

bool debug_by_environment() noexcept {
  const char* const set = std::getenv("WEFT_DEBUG");  // NOLINT(concurrency-mt-unsafe): only read
  return set != nullptr && *set != '\0' && std::string_view(set) != "0";
}

void print_report(const exception_context& context) noexcept {
  try {
    std::string text = "weft: " + std::string(context.message);
    if (context.task != 0) text += " (task " + std::to_string(context.task) + ")";
    if (context.exception != nullptr) text += ": " + describe(context.exception);
    std::fprintf(stderr, "%s\n", text.c_str());
  } catch (...) {  // out of memory: there is nobody left to tell
  }
}

void report_held_locks(scheduler& home, task_state& task, std::size_t count) noexcept {
  try {
    const std::string locks = count == 1 ? "a lock" : std::to_string(count) + " locks";
    const std::string message =
        name_of(task) + " has ended and still holds " + locks + ": its guard has outlived it";
    exception_context context;
    context.message = message;
    context.task = id_of(task);
    home.report(context);
  } catch (...) {  // out of memory: it is not told
  }
}

void report_slow_step(scheduler& home, task_state& task, std::uint64_t took_ns,
                      const resume_point& from) noexcept {
  try {
    const std::string message = "a step of " + name_of(task) + " took " +
                                std::to_string(took_ns / 1'000'000) + " ms, from " + from.text() +
                                " on" + what_follows(task);
    exception_context context;
    context.message = message;
    context.task = id_of(task);
    home.report(context);
  } catch (...) {  // out of memory: it is not told
  }
}

void report_unawaited(const void* frame) noexcept {
  if (std::uncaught_exceptions() > 0) return;  // on the way out of a scope that has failed
  report_mistake([frame] {
    return "a task<> was destroyed and never ran: it was neither awaited nor spawned: " +
           resume_point_of(frame).text();
  });
}

void report_misuse(const char* what) noexcept {
  report_mistake([what] { return std::string(what); });
}

}  // namespace weft::detail
