#include "disturbance.h"

#include <weft/runtime/detail/chaos.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

// As Go does: by default nothing happens on it, and debuggers pass it on.
constexpr int preemption_signal = SIGURG;

struct intensity {
  std::uint64_t one_point_in;         // of the chaos points something happens at one in ...
  std::chrono::microseconds between;  // preemptions, at most
  std::chrono::microseconds longest_nap;
};
constexpr std::array<intensity, chaos_level_max + 1> intensities{{
    {0, 0us, 0us},
    {512, 20ms, 500us},
    {64, 4ms, 2ms},
    {12, 800us, 5ms},
}};

// How long the handler sleeps.
//   written by  the preemptor, before it sends the signal
//   read by     the handler, on the thread it stops; relaxed: any recent value will do
std::atomic<std::int64_t> nap_ns{0};
// How many chaos points one disturbs.
//   written by  disturbance; read by the hook; relaxed: no data hangs on it
std::atomic<std::uint64_t> one_point_in{0};
std::atomic<std::uint64_t> hook_seed{0};

void stand_still(std::int64_t nanoseconds) noexcept {
  const timespec length{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
  (void)::nanosleep(&length, nullptr);
}

void on_preemption(int /*signal*/) noexcept {
  const int saved = errno;
  stand_still(nap_ns.load(std::memory_order_relaxed));
  errno = saved;
}

/// Threads that may be stopped. Never destroyed: threads may end after main.
struct roster {
  std::mutex mutex;
  std::vector<pid_t> threads;  // guarded by mutex
};
roster& enlisted() {
  static auto* const made = new roster;
  return *made;
}

void mask_preemption(int how) noexcept {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, preemption_signal);
  (void)::pthread_sigmask(how, &signals, nullptr);
}

/// A thread's place in the roster; it leaves when it ends. It is never stopped while it holds the
/// roster's lock.
class membership {
 public:
  membership() : thread_(::gettid()) {
    {
      roster& all = enlisted();
      const std::lock_guard lock(all.mutex);
      all.threads.push_back(thread_);
    }
    mask_preemption(SIG_UNBLOCK);
  }
  membership(const membership&) = delete;
  membership& operator=(const membership&) = delete;
  ~membership() {
    mask_preemption(SIG_BLOCK);
    roster& all = enlisted();
    const std::lock_guard lock(all.mutex);
    std::erase(all.threads, thread_);
  }

 private:
  const pid_t thread_;
};

void preempt_one(random_stream& random) {
  roster& all = enlisted();
  const std::lock_guard lock(all.mutex);
  if (all.threads.empty()) return;
  // Under the lock, so that the thread is still there.
  (void)::tgkill(::getpid(), all.threads[random.below(all.threads.size())], preemption_signal);
}

/// At a chaos point: nothing, or a yield, a short spin, a sleep.
void on_chaos_point() noexcept {
  static std::atomic<std::uint64_t> threads{0};
  static thread_local constinit std::uint64_t drawn = 0;
  static thread_local const std::uint64_t own = mix(
      hook_seed.load(std::memory_order_relaxed), threads.fetch_add(1, std::memory_order_relaxed));
  const std::uint64_t chances = one_point_in.load(std::memory_order_relaxed);
  if (chances == 0) return;
  const std::uint64_t dice = mix(own, ++drawn);
  if (dice % chances != 0) return;
  const auto amount = static_cast<std::int64_t>((dice >> 40) % 100);
  switch ((dice >> 32) % 8) {
    case 0:
      return stand_still(amount * 1'000);
    case 1:
    case 2:
    case 3:
      (void)::sched_yield();
      return;
    default:
      for (std::int64_t i = 0; i < amount * 10; ++i) detail::cpu_relax();
  }
}

void set_hook([[maybe_unused]] void (*hook)() noexcept) noexcept {
#ifdef WEFT_CHAOS
  detail::chaos::hook.store(hook, std::memory_order_relaxed);
#endif
}

}  // namespace

void enlist_this_thread() noexcept {
  static thread_local const membership here;
  (void)here;
}

bool has_chaos_points() noexcept {
  return detail::chaos::is_built_in;
}

disturbance::disturbance(std::size_t level, std::uint64_t seed) : level_(level) {
  struct sigaction action = {};
  action.sa_handler = on_preemption;
  action.sa_flags = SA_RESTART;
  (void)::sigaction(preemption_signal, &action, nullptr);
  if (level == 0) return;
  hook_seed.store(seed, std::memory_order_relaxed);
  resume();
  set_hook(on_chaos_point);
  preemptor_ = std::thread([this, seed] { preempt(seed); });
}

disturbance::~disturbance() {
  is_stopped_.store(true, std::memory_order_relaxed);
  if (preemptor_.joinable()) preemptor_.join();
  pause();
  set_hook(nullptr);
}

void disturbance::pause() noexcept {
  is_paused_.store(true, std::memory_order_relaxed);
  one_point_in.store(0, std::memory_order_relaxed);
}

void disturbance::resume() noexcept {
  is_paused_.store(false, std::memory_order_relaxed);
  one_point_in.store(intensities[level_].one_point_in, std::memory_order_relaxed);
}

void disturbance::preempt(std::uint64_t seed) {
  random_stream random(seed);
  const intensity& chosen = intensities[level_];
  while (!is_stopped_.load(std::memory_order_relaxed)) {
    std::this_thread::sleep_for(50us + random.up_to(chosen.between));
    if (is_paused_.load(std::memory_order_relaxed)) continue;
    nap_ns.store(std::chrono::nanoseconds(50us + random.up_to(chosen.longest_nap)).count(),
                 std::memory_order_relaxed);
    preempt_one(random);
  }
}

one_cpu::one_cpu(std::uint64_t choice) noexcept {
  cpu_set_t all;
  static_assert(sizeof before_ == sizeof all);
  CPU_ZERO(&all);
  (void)::sched_getaffinity(0, sizeof all, &all);
  std::memcpy(before_, &all, sizeof all);
  auto skip = static_cast<int>(choice % static_cast<std::uint64_t>(std::max(1, CPU_COUNT(&all))));
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &all) || skip-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)::sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

one_cpu::~one_cpu() {
  cpu_set_t all;
  std::memcpy(&all, before_, sizeof all);
  (void)::sched_setaffinity(0, sizeof all, &all);
}

}  // namespace weft::stress
