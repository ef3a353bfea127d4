#include "choices.h"

#include <cctype>

namespace weft::model {

void choices::begin_search(strategy how, std::uint64_t seed) noexcept {
  how_ = how;
  random_ = seed * 0x9E3779B97F4A7C15ull + 1;
  path_.clear();
  position_ = 0;
  transcribing_ = false;
  diverged_ = false;
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

std::uint32_t choices::take(std::uint32_t total, std::uint32_t preferred) noexcept {
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
  path_.push_back({chosen, total});
  ++position_;
  return chosen;
}

bool choices::next() noexcept {
  if (how_ != strategy::depth_first) {
    path_.clear();
    return true;
  }
  while (!path_.empty() && path_.back().chosen + 1 >= path_.back().total) path_.pop_back();
  if (path_.empty()) return false;
  ++path_.back().chosen;
  return true;
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
