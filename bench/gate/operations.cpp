// The operations that the gate counts: each does one thing COUNT times on one worker.
//
//     gate_operations NAME COUNT     prints allocations=N clock_reads=N switches=N
//     gate_operations --list         names them; the last line names the compiler
//
// `run` beside this file calls it: as it is for these, under callgrind for instructions, and under
// strace for system calls.

#include "counters.h"
#include <weft/net/tcp.h>
#include <weft/runtime/as_result.h>
#include <weft/runtime/fork.h>
#include <weft/runtime/runtime.h>
#include <weft/runtime/timeout.h>
#include <weft/runtime/to_thread.h>
#include <weft/sync/channel.h>
#include <weft/sync/event.h>
#include <weft/sync/mutex.h>
#include <weft/sync/semaphore.h>

#include <array>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include <sys/resource.h>

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong result: %s\n", what);
  std::abort();
}

/// Runs `tasks` of them side by side; together they do the work `count` times.
constexpr int together = 10;

template <class... Args>
weft::task<> side_by_side(weft::task<> (*child)(int, Args...), int count, Args... args) {
  std::vector<weft::join_handle<>> handles;
  for (int i = 0; i < together; ++i)
    handles.push_back(weft::spawn(child(count / together, args...)));
  for (auto& handle : handles) co_await handle;
}

weft::task<int> number(int value) {
  co_return value;
}

weft::task<> spawn_join(int count) {
  std::int64_t sum = 0;
  for (int done = 0; done < count; done += 100) {
    std::array<weft::join_handle<int>, 100> handles;
    for (auto& handle : handles) handle = weft::spawn(number(1));
    for (auto& handle : handles) {
      const int one = co_await handle;
      sum += one;
    }
  }
  require(sum == count, "number of tasks");
}

weft::task<> nested_await(int count) {
  std::int64_t sum = 0;
  for (int i = 0; i < count; ++i) {
    const int one = co_await number(1);
    sum += one;
  }
  require(sum == count, "number of awaits");
}

weft::task<> fork_await(int count) {
  std::int64_t sum = 0;
  for (int i = 0; i < count; ++i) {
    auto first = weft::fork(number(1));
    const int second = co_await number(1);
    const int one = co_await first;
    sum += one + second;
  }
  require(sum == 2 * std::int64_t{count}, "number of forks");
}

weft::task<> yield_often(int count) {
  for (int i = 0; i < count; ++i) co_await weft::yield();
}
weft::task<> yield(int count) {
  co_await side_by_side(yield_often, count);
}

weft::task<> answer(weft::channel<int>& in, weft::channel<int>& out) {
  while (true) {
    const std::optional<int> value = co_await in.recv();
    if (!value) break;
    const bool sent = co_await out.send(*value + 1);
    require(sent, "channel is open");
  }
}
weft::task<> channel_ping_pong(int count) {
  weft::channel<int> ping(1);
  weft::channel<int> pong(1);
  auto peer = weft::spawn(answer(ping, pong));
  int value = 0;
  for (int i = 0; i < count; ++i) {
    const bool sent = co_await ping.send(value);
    require(sent, "channel is open");
    const std::optional<int> answered = co_await pong.recv();
    value = answered.value();
  }
  require(value == count, "number of round trips");
  ping.close();
  co_await peer;
}

weft::task<> lock_often(int count, weft::mutex& mutex, int& counter) {
  for (int i = 0; i < count; ++i) {
    const weft::lock_guard guard = co_await mutex.lock();
    ++counter;
  }
}
weft::task<> mutex_free(int count) {
  weft::mutex mutex;
  int counter = 0;
  co_await lock_often(count, mutex, counter);
  require(counter == count, "guarded counter");
}

weft::task<> lock_and_yield(int count, weft::mutex* mutex, int* counter) {
  for (int i = 0; i < count; ++i) {
    const weft::lock_guard guard = co_await mutex->lock();
    const int before = *counter;
    co_await weft::yield();
    *counter = before + 1;
  }
}
weft::task<> mutex_contended(int count) {
  weft::mutex mutex;
  int counter = 0;
  co_await side_by_side(lock_and_yield, count, &mutex, &counter);
  require(counter == count, "guarded counter");
}

weft::task<> acquire_and_yield(int count, weft::semaphore* semaphore) {
  for (int i = 0; i < count; ++i) {
    const weft::permit permit = co_await semaphore->acquire();
    co_await weft::yield();
  }
}
weft::task<> semaphore_contended(int count) {
  weft::semaphore semaphore(2);
  co_await side_by_side(acquire_and_yield, count, &semaphore);
}

weft::task<> guard_yields(int count) {
  for (int i = 0; i < count; ++i) co_await weft::wait_for(weft::yield(), std::chrono::seconds(10));
}
weft::task<> timeout(int count) {
  co_await side_by_side(guard_yields, count);
}

weft::task<> wait_forever() {
  weft::event never;
  co_await never.wait();
}
weft::task<> cancel(int count) {
  for (int i = 0; i < count; ++i) {
    auto waiting = weft::spawn(wait_forever());
    co_await weft::yield();
    waiting.cancel();
    const auto ended = co_await weft::as_result(std::move(waiting));
    require(ended.cancelled(), "the task ends cancelled");
  }
}

weft::task<> to_thread(int count) {
  int value = 0;
  const auto next = [](int before) { return before + 1; };
  for (int i = 0; i < count; ++i) value = co_await weft::to_thread(next, value);
  require(value == count, "number of round trips");
}

weft::task<> serve(weft::tcp_stream stream) {
  std::array<char, 256> buffer;
  while (true) {
    const std::size_t size = co_await stream.read_some(buffer);
    if (size == 0) break;
    co_await stream.write_all(std::span(buffer).first(size));
  }
}
weft::task<> send_and_expect(weft::tcp_stream& stream) {
  std::array<char, 64> message{};
  co_await stream.write_all(std::span(message));
  const std::size_t size = co_await stream.read_some(message);
  require(size == message.size(), "size of the answer");
}
weft::task<> echo(int count) {
  auto listener = weft::tcp_listener::bind("127.0.0.1:0");
  auto client = co_await weft::tcp_stream::connect(listener.local_address());
  auto accepted = co_await listener.accept();
  auto server = weft::spawn(serve(std::move(accepted)));
  for (int i = 0; i < count; ++i) co_await send_and_expect(client);
  client.close();
  co_await server;
}
weft::task<> connection(int count) {
  auto listener = weft::tcp_listener::bind("127.0.0.1:0");
  for (int i = 0; i < count; ++i) {
    auto client = co_await weft::tcp_stream::connect(listener.local_address());
    auto accepted = co_await listener.accept();
    auto server = weft::spawn(serve(std::move(accepted)));
    co_await send_and_expect(client);
    client.close();
    co_await server;
  }
}

struct operation {
  std::string_view name;
  weft::task<> (*run)(int count);
};
constexpr operation operations[] = {
    {"spawn_join", spawn_join},
    {"nested_await", nested_await},
    {"fork_await", fork_await},
    {"yield", yield},
    {"channel_ping_pong", channel_ping_pong},
    {"mutex_free", mutex_free},
    {"mutex_contended", mutex_contended},
    {"semaphore_contended", semaphore_contended},
    {"timeout", timeout},
    {"cancel", cancel},
    {"to_thread", to_thread},
    {"echo", echo},
    {"connection", connection},
};

long voluntary_switches() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

weft::task<> counted(weft::task<> (*run)(int), int count) {
  const long switches = voluntary_switches();
  const gate::counters before = gate::count();
  co_await run(count);
  const gate::counters after = gate::count();
  std::printf("allocations=%" PRIu64 " clock_reads=%" PRIu64 " switches=%ld\n",
              after.allocations - before.allocations, after.clock_reads - before.clock_reads,
              voluntary_switches() - switches);
}

int usage() {
  std::fputs("usage: gate_operations NAME COUNT | --list\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--list") {
    for (const auto& each : operations) std::printf("%s\n", each.name.data());
    std::printf("compiler %s\n", __VERSION__);
    return 0;
  }
  if (argc != 3) return usage();
  const int count = std::atoi(argv[2]);
  for (const auto& each : operations) {
    if (each.name != argv[1] || count < 1) continue;
    weft::runtime_options options;
    options.workers = 1;
    options.handle_sigint = false;
    weft::run(counted(each.run, count), options);
    return 0;
  }
  return usage();
}
