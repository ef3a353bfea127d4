#pragma once

// The decisions of one execution: which thread goes on, which store a load reads. An execution is a
// function of its decisions, so a list of them is all that a replay needs.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::model {

enum class strategy : std::uint8_t {
  depth_first,  // all executions within the preemption bound, each once
  random,       // each decision by lot
  pct,          // random priorities with a few random changes (Burckhardt et al. 2010)
  replay,       // one given execution
};

class choices {
 public:
  void begin_search(strategy how, std::uint64_t seed) noexcept;
  /// `text` as made by replay_string(). False: that is no such string.
  bool begin_replay(std::string_view text);
  /// Repeats the last execution and writes it down for a replay, which is asked more often: a search
  /// leaves out decisions that cannot matter, as far as it knows.
  void begin_transcript() noexcept;

  void begin_execution() noexcept { position_ = 0; }

  /// One of 0 .. total-1; total > 1. With `preferred`, a strategy that goes by lot takes that one.
  std::uint32_t choose(std::uint32_t total) noexcept { return take(total, unforced); }
  std::uint32_t record(std::uint32_t total, std::uint32_t preferred) noexcept {
    return take(total, preferred);
  }
  /// Of the next decision: who goes on with each alternative.
  void name_threads(const std::uint8_t* threads, std::uint32_t total) noexcept;
  /// How many decisions were made.
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  /// Depth first: the execution ends here, and of the decisions from `begin` on no alternative is
  /// tried that lets this thread go on.
  void cut(std::size_t begin, unsigned thread) noexcept;

  /// A decision that only a replay has to make: it takes the first alternative.
  void skip(std::uint32_t total);
  /// True if the number of alternatives was another one when this prefix ran before: the model
  /// depends on something that is not a decision.
  [[nodiscard]] bool diverged() const noexcept { return diverged_; }

  /// Depth first: makes the next path. False: there is none.
  bool next() noexcept;

  /// Of a transcript: each decision that is not the first alternative, as the number of first alternatives before it
  /// and a letter: "17b3a".
  [[nodiscard]] std::string replay_string() const;

  std::uint64_t random() noexcept;

 private:
  static constexpr std::uint32_t unforced = ~std::uint32_t{0};
  struct decision {
    std::uint32_t chosen;
    std::uint32_t total;
    std::uint32_t skipped = 0;  // alternatives that are not tried, a bit each
    std::uint64_t threads = 0;  // who goes on, eight bits each, or zero
  };

  std::uint32_t take(std::uint32_t total, std::uint32_t preferred) noexcept;

  strategy how_ = strategy::depth_first;
  std::uint64_t random_ = 1;
  std::vector<decision> path_;
  std::size_t position_ = 0;
  std::vector<decision> transcript_;
  bool transcribing_ = false;
  bool diverged_ = false;
  std::uint64_t threads_ = 0;  // of the next decision
};

}  // namespace weft::model
