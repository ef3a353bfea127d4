#include "session.h"

#include "../support/format.h"
#include "../support/progress.h"
#include "baseline.h"
#include "disturbance.h"
#include "interruption.h"
#include "plant_yard.h"
#include "process_state.h"
#include "report.h"
#include "watchdog.h"
#include <weft/runtime/error.h>
#include <weft/runtime/exception_context.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <unistd.h>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

constexpr auto full_epoch_max = 500ms;
constexpr auto cut_epoch_max = 60ms;

std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t value = 0xcbf2'9ce4'8422'2325u;  // FNV-1a
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100'0000'01b3u;
  return value;
}

task<> wait_a_while(clock::duration length) {
  co_await sleep(length);
}

task<> run_watched(workload& chosen, stage& on) {
  const heartbeat main(on.dog(), "the workload's main task");
  co_await chosen.run(on);
}

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const exception_group& group) {
    std::string text = group.what();
    for (const std::exception_ptr& each : group.exceptions()) text += "; " + text_of(each);
    return text;
  } catch (const std::exception& known) {
    return known.what();
  } catch (const cancelled_error&) {
    return "cancelled";
  } catch (...) {  // nothing to ask
    return "an exception of unknown type";
  }
}

/// One run of weft-stress.
class session {
 public:
  explicit session(const session_options& options)
      : options_(options),
        violations_(options.replay),
        line_(!options.is_quiet && (options.shows_progress || tools::progress_line::is_terminal())
                  ? tools::progress_line::mode::on
                  : tools::progress_line::mode::off),
        dog_(
            options.patience, [this](const std::string& who) { end_hung(who); },
            [this] { show_progress(); }),
        disturbed_(options.chaos, options.seed) {}

  bool run() {
    const auto share = options_.length / static_cast<std::int64_t>(options_.workloads.size());
    for (const workload_entry& each : options_.workloads) {
      if (!violations_.empty() || interruption().load(std::memory_order_relaxed)) break;
      run_workload(each, share);
    }
    disturbed_.pause();
    plant_yard::get().clear();
    print_report(true);
    return violations_.empty();
  }

 private:
  void run_workload(const workload_entry& entry, std::chrono::milliseconds share);
  void run_epoch(const workload_entry& entry, const epoch_plan& plan, random_stream& random);
  void run_to_end(runtime& on, workload& chosen, stage& where);
  void cut_short(runtime& on, workload& chosen, stage& where, random_stream& random);
  void check_idle(runtime& on);
  void settle(workload& chosen);
  void shut_down(runtime& on);
  [[nodiscard]] epoch_plan plan_epoch(std::uint64_t seed, clock::time_point end,
                                      bool is_whole) const;

  void violated(invariant which, std::string_view what) {
    violations_.add(which, current().name, what);
  }
  [[nodiscard]] workload_report& current() { return reports_.back(); }

  void show_progress();
  void end_hung(const std::string& who);
  void print_report(bool is_complete);

  const session_options& options_;
  violation_log violations_;
  tools::progress_line line_;

  std::mutex mutex_;
  std::vector<workload_report> reports_;  // grows under mutex_; the last one is the main thread's
  std::string running_;                   // guarded by mutex_: the workload, for the progress line

  watchdog dog_;
  disturbance disturbed_;
};

void session::run_workload(const workload_entry& entry, std::chrono::milliseconds share) {
  {
    const std::lock_guard lock(mutex_);
    reports_.push_back({.name = std::string(entry.name)});
    running_ = entry.name;
  }
  const std::uint64_t seed = mix(options_.seed, hash_of(entry.name));
  const clock::time_point begin = clock::now();
  const std::uint64_t operations_before = dog_.operations();
  baseline at_rest;
  for (std::uint64_t epoch = 0; clock::now() < begin + share; ++epoch) {
    if (!violations_.empty() || interruption().load(std::memory_order_relaxed)) break;
    // The first is a whole one, so that even the shortest run has one.
    const epoch_plan plan = plan_epoch(mix(seed, epoch), begin + share, epoch == 0);
    random_stream random(mix(plan.seed, 0));
    run_epoch(entry, plan, random);
    at_rest.check([this](invariant which, std::string_view what) { violated(which, what); });
  }
  workload_report& report = current();
  report.elapsed = clock::now() - begin;
  report.operations = dog_.operations() - operations_before;
  report.live_bytes = live_bytes();
  if (!options_.is_quiet && !options_.is_json) {
    std::cerr << entry.name << ": " << report.epochs << " epochs, "
              << tools::grouped(report.operations) << " operations" << std::endl;
  }
}

epoch_plan session::plan_epoch(std::uint64_t seed, clock::time_point end, bool is_whole) const {
  constexpr std::array<std::size_t, 6> worker_counts{1, 2, 3, 4, 8, 16};
  random_stream random(seed);
  const std::size_t any_count = worker_counts[random.below(worker_counts.size())];
  const auto left = std::max<clock::duration>(end - clock::now(), 1ms);
  return {.seed = seed,
          .workers = options_.workers != 0 ? options_.workers : any_count,
          .chaos = options_.chaos,
          .planted = options_.planted,
          .length = std::min<clock::duration>(left / 2, random.up_to(full_epoch_max)),
          .is_cut_short = !is_whole && !random.one_in(3)};
}

void session::run_epoch(const workload_entry& entry, const epoch_plan& plan,
                        random_stream& random) {
  std::optional<one_cpu> squeezed;
  if (plan.chaos >= 2 && random.one_in(4)) squeezed.emplace(random.next());
  const std::unique_ptr<workload> chosen = entry.make();
  std::optional<runtime> alive;
  runtime& on = alive.emplace(runtime_options{
      .workers = plan.workers, .max_blocking_threads = blocking_threads, .handle_sigint = false});
  on.set_exception_handler([&](const exception_context& context) {
    const bool is_planned =
        plan.is_cut_short && context.exception != nullptr && chosen->is_planned(context.exception);
    if (is_planned) return;
    violated(invariant::no_unexpected_failure,
             std::string(context.message) +
                 (context.exception ? ": " + text_of(context.exception) : ""));
  });
  stage where(plan, entry.name, on, dog_, violations_, interruption());
  ++current().epochs;
  if (!plan.is_cut_short) {
    run_to_end(on, *chosen, where);
    if (current().epochs == 1 || random.one_in(8)) check_idle(on);
  } else {
    cut_short(on, *chosen, where, random);
    ++current().cut_short;
  }
  shut_down(on);
  settle(*chosen);
  shut_down(on);
  chosen->check(where);
  const heartbeat ending(dog_, "the end of the runtime");
  alive.reset();
}

void session::run_to_end(runtime& on, workload& chosen, stage& where) {
  try {
    on.run(run_watched(chosen, where));
  } catch (...) {  // whatever it is, nothing told it to fail
    violated(invariant::no_unexpected_failure,
             "the workload failed: " + text_of(std::current_exception()));
  }
}

/// Everything is shut down while the workload is busy.
void session::cut_short(runtime& on, workload& chosen, stage& where, random_stream& random) {
  auto main = on.spawn(run_watched(chosen, where), {.name = "workload"});
  on.run(wait_a_while(std::chrono::microseconds(random.spread(
      0, static_cast<std::uint64_t>(std::chrono::microseconds(cut_epoch_max).count())))));
  shut_down(on);
  if (!main.done()) return;  // which shut_down has reported
  const std::exception_ptr error = main.exception();
  if (error != nullptr && !main.cancelled() && !chosen.is_planned(error))
    violated(invariant::no_unexpected_failure, "the workload failed: " + text_of(error));
}

void session::settle(workload& chosen) {
  const heartbeat waiting(dog_, "the end of the workload's own threads");
  chosen.settle();
}

void session::shut_down(runtime& on) {
  const heartbeat waiting(dog_, "shutdown");
  const clock::time_point begin = clock::now();
  const bool is_clean = on.shutdown(options_.patience / 2);
  workload_report& report = current();
  report.shutdown_max =
      std::max<std::chrono::nanoseconds>(report.shutdown_max, clock::now() - begin);
  if (!is_clean) violated(invariant::shutdown_ends, "tasks were left after a cancellation of all");
}

/// A runtime without work sleeps: hardly a wake-up, hardly any CPU time.
void session::check_idle(runtime& on) {
  constexpr auto settling = 60ms;
  constexpr auto measured = 200ms;
  // Far more than an idle runtime needs (a dozen wake-ups for the task that ends the wait), far
  // less than one that turns in circles.
  constexpr double wakeups_max = 100;
  constexpr auto cpu_max = measured / 5;
  disturbed_.pause();
  on.run(wait_a_while(settling));
  const std::uint64_t parks = on.metrics().parks;
  const auto cpu = cpu_time();
  on.run(wait_a_while(measured));
  const auto used = cpu_time() - cpu;
  const auto wakeups = static_cast<double>(on.metrics().parks - parks);
  disturbed_.resume();
  workload_report& report = current();
  constexpr double in_a_second = 1s / measured;
  report.idle_cpu_max = std::max(report.idle_cpu_max, used * (1s / measured));
  report.idle_wakeups_max = std::max(report.idle_wakeups_max, wakeups * in_a_second);
  if (wakeups > wakeups_max || used > cpu_max) {
    violated(invariant::idle_is_idle,
             tools::fixed(wakeups, 0) + " wake-ups and " +
                 tools::short_time(std::chrono::duration_cast<std::chrono::nanoseconds>(used)) +
                 " of CPU time in 200 ms without work");
  }
}

void session::show_progress() {
  const std::uint64_t operations = dog_.operations();
  const std::lock_guard lock(mutex_);
  if (running_.empty()) return;
  line_.show(running_ + " (" + std::to_string(reports_.size()) + " of " +
             std::to_string(options_.workloads.size()) + ")   " + tools::grouped(operations) +
             " operations   " + tools::grouped(violations_.count()) + " violations");
}

/// On the watchdog's thread: tasks that hang cannot be ended, so the process ends.
void session::end_hung(const std::string& who) {
  std::string workload;
  {
    const std::lock_guard lock(mutex_);
    workload = running_;
  }
  violations_.add(
      invariant::no_lost_wakeup, workload,
      "nothing done for " +
          std::to_string(
              std::chrono::duration_cast<std::chrono::milliseconds>(options_.patience).count()) +
          " ms by: " + who);
  dump_everything(std::cerr);
  print_report(false);
  std::cout.flush();
  ::_exit(1);
}

void session::print_report(bool is_complete) {
  session_report report;
  {
    const std::lock_guard lock(mutex_);
    report.workloads = reports_;
  }
  report.violations = violations_.first();
  report.violation_count = violations_.count();
  report.is_complete = is_complete;
  if (options_.is_json) {
    print_json(std::cout, options_, report);
  } else {
    print_text(std::cout, options_, report);
  }
}

}  // namespace

bool run_session(const session_options& options) {
  enlist_this_thread();
  return session(options).run();
}

}  // namespace weft::stress
