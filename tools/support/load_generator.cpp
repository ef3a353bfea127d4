#include "load_generator.h"

#include "echo_checker.h"
#include "http_response_reader.h"
#include "worker_buffer.h"
#include <weft/net/resolve.h>
#include <weft/runtime/error.h>
#include <weft/runtime/gather.h>
#include <weft/runtime/select.h>
#include <weft/runtime/sleep.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft::tools {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t connect_batch = 256;
constexpr auto connect_limit = 10s;

// ---- What to send and how to check it -----------------------------------------------------------

class echo_exchange {
 public:
  echo_exchange(const echo_noise& noise, std::size_t connection) noexcept
      : noise_(&noise), connection_(connection) {}

  [[nodiscard]] std::string_view begin() noexcept {
    const std::string_view message = noise_->message(connection_, number_++);
    checker_.restart(message);
    return message;
  }
  void feed(std::string_view bytes) { checker_.feed(bytes); }
  [[nodiscard]] bool is_complete() const noexcept { return checker_.is_complete(); }
  [[nodiscard]] static bool is_last() noexcept { return false; }

 private:
  const echo_noise* noise_;
  std::size_t connection_;
  std::uint64_t number_ = 0;
  echo_checker checker_;
};

class http_exchange {
 public:
  explicit http_exchange(std::string_view request) noexcept : request_(request) {}

  [[nodiscard]] std::string_view begin() noexcept {
    reader_.restart();
    return request_;
  }
  void feed(std::string_view bytes) { reader_.feed(bytes); }
  [[nodiscard]] bool is_complete() const noexcept { return reader_.is_complete(); }
  [[nodiscard]] bool is_last() const noexcept { return reader_.closes(); }

 private:
  std::string_view request_;
  http_response_reader reader_;
};

// ---- When to send -------------------------------------------------------------------------------

/// The times at which one connection sends.
class schedule {
 public:
  schedule(const load_plan& plan, std::size_t connection, std::size_t connections,
           clock::time_point begin) noexcept
      : left_(plan.messages_each > 0 ? plan.messages_each : ~std::uint64_t{0}), next_(begin) {
    if (plan.rate <= 0) return;
    const double between = 1e9 / plan.rate;  // of any two messages, in nanoseconds
    const auto share = [&](std::size_t count) {
      return clock::duration(static_cast<std::int64_t>(between * static_cast<double>(count)));
    };
    next_ = begin + share(connection);  // connections take turns
    period_ = share(connections);
  }

  /// When the next message should be sent; `now` if nothing was planned. Nothing at the end.
  [[nodiscard]] std::optional<clock::time_point> next(clock::time_point now,
                                                      clock::time_point end) noexcept {
    const clock::time_point planned = period_ > 0ns ? next_ : now;
    if (left_ == 0 || planned >= end) return std::nullopt;
    --left_;
    next_ += period_;
    return planned;
  }

  /// Nothing more is sent. What was planned before `end` has waited until now.
  void give_up(clock::time_point now, clock::time_point end, load_statistics& seen) const noexcept {
    const clock::time_point last = std::min(now, end);
    if (period_ > 0ns && next_ < last) seen.held_up(now - next_, now - last, period_);
  }

 private:
  std::uint64_t left_;
  clock::time_point next_;
  clock::duration period_{0};
};

// ---- One run ------------------------------------------------------------------------------------

/// What the connections of a run share.
struct run_state {
  load_statistics& seen;
  const clock::time_point planned_end;
  // Connections that go on.
  //   written by  each connection, once, when it ends
  //   read by     drive(), after the end, as a statistic (relaxed)
  //   pairing     acq_rel between connections: the last one sees what all did
  std::atomic<std::size_t> active;
  // When no further message is sent.
  //   written by  drive(), at the start and when it is stopped
  //   read by     each connection before each message
  //   pairing     none; relaxed: late is fine
  std::atomic<clock::time_point> end;
  event all_ended;
};

/// Counts a connection as ended, however it ends.
class ends_with_scope {
 public:
  explicit ends_with_scope(run_state& run) noexcept : run_(run) {}
  ends_with_scope(const ends_with_scope&) = delete;
  ends_with_scope& operator=(const ends_with_scope&) = delete;
  ~ends_with_scope() {
    if (run_.active.fetch_sub(1, std::memory_order_acq_rel) == 1) run_.all_ended.set();
  }

 private:
  run_state& run_;
};

/// Sends as much as the connection takes now.
void send_some(tcp_stream& connection, std::string_view& unsent) {
  if (unsent.empty()) return;
  unsent.remove_prefix(connection.try_write_some(unsent).value_or(0));
}

/// Hands what has arrived to the exchange.
template <class Exchange>
void receive_some(tcp_stream& connection, Exchange& exchange) {
  const auto buffer = worker_read_buffer();
  const std::optional<std::size_t> count = connection.try_read_some(buffer);
  if (!count) return;
  if (*count == 0) throw std::runtime_error("the server closed the connection");
  exchange.feed({buffer.data(), *count});
}

template <class Exchange>
task<> converse(tcp_stream& connection, Exchange exchange, schedule times, run_state& run) {
  const ends_with_scope ends(run);
  try {
    clock::time_point now = clock::now();
    for (;;) {
      const auto planned = times.next(now, run.end.load(std::memory_order_relaxed));
      if (!planned) {
        times.give_up(now, run.planned_end, run.seen);
        co_return;
      }
      if (*planned > now) co_await sleep_until(*planned);

      std::string_view unsent = exchange.begin();
      send_some(connection, unsent);
      while (!exchange.is_complete()) {
        if (unsent.empty()) {
          co_await connection.readable();
        } else {
          // Both at once: a server that echoes while we only send would block, and so would we.
          const auto ready = co_await select(connection.readable(), connection.writable());
          (void)ready;
          send_some(connection, unsent);
        }
        receive_some(connection, exchange);
      }
      now = clock::now();
      run.seen.answered(now - *planned);
      if (exchange.is_last()) throw std::runtime_error("the server ends the connection");
    }
  } catch (const std::exception& error) {
    run.seen.failed(error.what());
  }
}

task<> sleep_or_stop(clock::time_point end, run_state& run, event& stop) {
  const auto first = co_await select(sleep_until(end), stop.wait(), run.all_ended.wait());
  (void)first;
}

task<tcp_stream> connect_one(socket_address to) {
  try {
    co_return co_await wait_for(tcp_stream::connect(to), connect_limit);
  } catch (const timeout_error&) {
    const auto code = std::make_error_code(std::errc::timed_out);
    throw std::system_error(code, "connect " + to.to_string());
  }
}

/// Lets the answers come that are still to come, for a while.
task<> wait_for_answers(const load_plan& plan, run_state& run, event& stop) {
  run.end.store(clock::time_point::min(), std::memory_order_relaxed);
  co_await sleep_or_stop(clock::now() + plan.patience, run, stop);
  const std::size_t missing = run.active.load(std::memory_order_relaxed);
  if (missing > 0 && !stop.is_set()) run.seen.failed("no answer in time", missing);
}

}  // namespace

task<socket_address> find_address(const load_target& target) {
  const auto found = co_await resolve(target.host, target.port);
  if (found.empty()) throw std::runtime_error(target.host + " has no address");
  co_return found.front();
}

task<std::vector<tcp_stream>> connect_all(const socket_address& to, std::size_t count,
                                          event& stop) {
  std::vector<tcp_stream> connections;
  connections.reserve(count);
  while (connections.size() < count && !stop.is_set()) {
    std::vector<task<tcp_stream>> batch;
    const std::size_t wanted = std::min(connect_batch, count - connections.size());
    for (std::size_t i = 0; i < wanted; ++i) batch.push_back(connect_one(to));
    auto connected = co_await gather(std::move(batch));
    for (tcp_stream& each : connected) connections.push_back(std::move(each));
  }
  co_return connections;
}

task<clock::duration> drive(std::vector<tcp_stream>& connections, const load_target& target,
                            const load_plan& plan, load_statistics& seen, event& stop) {
  const std::size_t count = connections.size();
  if (count == 0) co_return clock::duration::zero();
  const echo_noise noise(target.is_http() ? 0 : plan.size);
  const clock::time_point begin = clock::now();
  const clock::time_point end = plan.length > 0ms ? begin + plan.length : clock::time_point::max();
  run_state run{.seen = seen, .planned_end = end, .active = count, .end = end, .all_ended = {}};

  auto body = [&](task_group& group) -> task<> {
    for (std::size_t i = 0; i < count; ++i) {
      const schedule times(plan, i, count, begin);
      if (target.is_http()) {
        group.spawn(converse(connections[i], http_exchange(target.http_request), times, run));
      } else {
        group.spawn(converse(connections[i], echo_exchange(noise, i), times, run));
      }
    }
    co_await sleep_or_stop(end, run, stop);
    co_await wait_for_answers(plan, run, stop);
    group.cancel();
  };
  co_await with_task_group(body);
  co_return clock::now() - begin;
}

}  // namespace weft::tools
