#include "context.h"

#include <algorithm>
#include <utility>

namespace weft::detail {

context::key context::new_key() noexcept {
  static constinit atomic<key> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

context* context::with(const context* base, key variable, value replacement) {
  struct owner {
    context* made = new context;
    ~owner() {
      if (made != nullptr) made->drop_reference();
    }
  } holder;
  std::vector<entry>& entries = holder.made->entries_;
  entries.reserve((base == nullptr ? 0 : base->entries_.size()) + 1);
  if (base != nullptr) entries = base->entries_;
  const auto place = std::ranges::lower_bound(entries, variable, {}, &entry::variable);
  const bool known = place != entries.end() && place->variable == variable;
  if (replacement == nullptr) {
    if (known) entries.erase(place);
  } else if (known) {
    place->held = std::move(replacement);
  } else {
    entries.insert(place, entry{variable, std::move(replacement)});
  }
  return entries.empty() ? nullptr : std::exchange(holder.made, nullptr);
}

context::value context::find(key variable) const noexcept {
  const auto place = std::ranges::lower_bound(entries_, variable, {}, &entry::variable);
  return place != entries_.end() && place->variable == variable ? place->held : nullptr;
}

void context::drop_reference() noexcept {
  // acq_rel: see references_.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

}  // namespace weft::detail
