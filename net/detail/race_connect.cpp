#include "race_connect.h"

#include "../../runtime/as_result.h"
#include "../../runtime/select.h"
#include "../../runtime/task_group.h"
#include "../../sync/queue.h"

#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>

namespace weft::detail {
namespace {

struct outcome {
  std::size_t index;
  result<tcp_stream> stream;
};

/// What one race is about. Lives in race_connect, which outlives all attempts.
class race {
 public:
  race(std::string name, std::vector<socket_address> addresses, std::chrono::milliseconds delay)
      : name_(std::move(name)), addresses_(std::move(addresses)), delay_(delay) {}

  /// Empty when all have failed.
  task<std::optional<tcp_stream>> run(task_group& group) {
    std::vector<join_handle<>> attempts;
    std::size_t failures = 0;
    while (failures < addresses_.size()) {
      if (attempts.size() < addresses_.size())
        attempts.push_back(group.spawn(attempt(attempts.size())));
      std::optional<outcome> ended = co_await next_outcome(attempts.size() == addresses_.size());
      if (!ended) continue;  // it takes long: begin another one
      if (ended->stream.has_value()) {
        for (join_handle<>& each : attempts) each.cancel();
        co_return std::move(ended->stream).value();
      }
      ++failures;
      note_failure(*ended);
    }
    co_return std::nullopt;
  }

  [[noreturn]] void fail() const {
    throw std::system_error(first_error_, "connect " + name_ + " (" + failures_ + ")");
  }

 private:
  task<> attempt(std::size_t index) {
    auto connected = co_await as_result(tcp_stream::connect(addresses_[index]));
    outcomes_.put_nowait(outcome{.index = index, .stream = std::move(connected)});
  }

  /// Empty after the delay, unless this is the last chance.
  task<std::optional<outcome>> next_outcome(bool last) {
    if (last) {
      outcome ended = co_await outcomes_.get();
      co_return std::optional<outcome>(std::move(ended));
    }
    auto first = co_await select(outcomes_.get(), sleep(delay_));
    if (first.index() == 1) co_return std::nullopt;
    co_return std::optional<outcome>(std::get<0>(std::move(first)));
  }

  void note_failure(const outcome& failed) {
    const std::error_code error = failed.stream.error_code();
    if (!first_error_) first_error_ = error;
    if (!failures_.empty()) failures_ += "; ";
    failures_ += addresses_[failed.index].to_string() + ": " + error.message();
  }

  std::string name_;
  std::vector<socket_address> addresses_;
  std::chrono::milliseconds delay_;
  queue<outcome> outcomes_;
  std::error_code first_error_;
  std::string failures_;
};

}  // namespace

std::vector<socket_address> interleave_families(const std::vector<socket_address>& addresses) {
  std::vector<socket_address> families[2];
  for (const socket_address& each : addresses) {
    families[each.family() == addresses.front().family() ? 0 : 1].push_back(each);
  }
  std::vector<socket_address> ordered;
  for (std::size_t i = 0; ordered.size() < addresses.size(); ++i) {
    for (const auto& family : families) {
      if (i < family.size()) ordered.push_back(family[i]);
    }
  }
  return ordered;
}

task<tcp_stream> race_connect(std::string name, std::vector<socket_address> addresses,
                              std::chrono::milliseconds delay) {
  race attempts(std::move(name), std::move(addresses), delay);
  const auto body = [&attempts](task_group& group) { return attempts.run(group); };
  std::optional<tcp_stream> winner = co_await with_task_group(body);
  if (!winner) attempts.fail();
  co_return std::move(*winner);
}

}  // namespace weft::detail
