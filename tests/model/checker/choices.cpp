#include "choices.h"

#include <cctype>
#include <utility>

namespace weft::model {

void choices::begin_search(strategy how, std::uint64_t seed) noexcept {
  how_ = how;
  random_ = seed * 0x9E3779B97F4A7C15ull + 1;
  path_.clear();
  position_ = 0;
  transcribing_ = false;
  diverged_ = false;
  threads_ = 0;
}

void choices::begin_transcript() noexcept {
  path_.resize(position_);
  how_ = strategy::replay;
  transcribing_ = true;
  transcript_.clear();
}

void choices::skip(std::uint32_t total) {
  transcript_.push_back({0, total});
}

std::uint64_t choices::random() noexcept {  // xorshift
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_;
}

void choices::name_threads(const std::uint8_t* threads, std::uint32_t total) noexcept {
  threads_ = 0;
  for (std::uint32_t i = 0; i < total; ++i) threads_ |= std::uint64_t{threads[i] + 1u} << 8 * i;
}

void choices::cut(std::size_t begin, unsigned thread) noexcept {
  path_.resize(position_);
  for (std::size_t i = begin; i < path_.size(); ++i) {
    decision& each = path_[i];
    for (std::uint32_t k = 0; each.threads >> 8 * k != 0; ++k) {
      if ((each.threads >> 8 * k & 0xff) == thread + 1u) each.skipped |= 1u << k;
      if (k == 7) break;
    }
  }
}

std::uint32_t choices::take(std::uint32_t total, std::uint32_t preferred) noexcept {
  const std::uint64_t threads = std::exchange(threads_, 0);
  if (position_ < path_.size()) {
    decision& past = path_[position_++];
    if (how_ == strategy::replay) past.total = total;
    if (past.total != total || past.chosen >= total) diverged_ = true;
    if (transcribing_) transcript_.push_back(past);
    return diverged_ ? 0 : past.chosen;
  }
  std::uint32_t chosen = 0;
  if (how_ == strategy::random || how_ == strategy::pct)
    chosen = preferred != unforced ? preferred : static_cast<std::uint32_t>(random() % total);
  path_.push_back({chosen, total, 0, threads});
  ++position_;
  return chosen;
}

bool choices::next() noexcept {
  if (how_ != strategy::depth_first) {
    path_.clear();
    return true;
  }
  for (; !path_.empty(); path_.pop_back()) {
    decision& last = path_.back();
    while (++last.chosen < last.total) {
      if (last.chosen >= 32 || (last.skipped >> last.chosen & 1) == 0) return true;
    }
  }
  return false;
}

std::string choices::replay_string() const {
  std::string text;
  std::size_t firsts = 0;
  for (const decision& each : transcript_) {
    if (each.chosen == 0) {
      ++firsts;
      continue;
    }
    if (firsts > 0) text += std::to_string(firsts);
    firsts = 0;
    // Beyond 26 alternatives: letters add up.
    std::uint32_t left = each.chosen;
    for (; left > 26; left -= 26) text += '+';
    text += static_cast<char>('a' + left - 1);
  }
  return text;
}

bool choices::begin_replay(std::string_view text) {
  begin_search(strategy::replay, 1);
  std::size_t firsts = 0;
  std::uint32_t more = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      firsts = firsts * 10 + static_cast<std::size_t>(c - '0');
    } else if (c == '+') {
      more += 26;
    } else if (c >= 'a' && c <= 'z') {
      for (; firsts > 0; --firsts) path_.push_back({0, 0});
      path_.push_back({more + static_cast<std::uint32_t>(c - 'a') + 1, 0});
      more = 0;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace weft::model
