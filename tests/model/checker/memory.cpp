#include "memory.h"

#include "execution.h"
#include "race_detector.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>

namespace weft::model::memory {
namespace {

constexpr std::uint32_t never = ~std::uint32_t{0};

struct store_record {
  std::uint64_t value;
  vector_clock released;            // what an acquire load of it learns
  std::uint32_t seen[threads_max];  // when each thread first read or wrote it
  bool follows;                     // a read-modify-write: tied to the store before it
  bool in_sc_order;                 // read or written by a seq_cst operation
  vector_clock seen_by_writer;      // for no_early_loads
};

struct location {
  const void* object = nullptr;
  std::uint32_t maker = 0;  // thread that constructed it, and when
  std::uint32_t made = 0;
  bool dead = false;
  bool shared = false;
  std::uint32_t threads = 0;
  std::uint32_t last_use[threads_max] = {};
  // Steps in which each thread has last touched it; has written; in the total order.
  std::uint32_t touched[threads_max] = {};
  std::uint32_t wrote[threads_max] = {};
  std::uint32_t ordered[threads_max] = {};
  // Loads: when, in the thread's own time, and whether with acquire.
  std::uint32_t loaded[threads_max] = {};
  bool loaded_with_acquire[threads_max] = {};
  std::vector<std::uint16_t> sites;
  std::vector<store_record> stores;  // in modification order
};

std::vector<location> locations;
std::uint32_t location_count = 0;

// From addresses to locations. Open addressing; entries of former executions count as free.
struct entry {
  const void* object;
  std::uint32_t execution;
  std::uint32_t location;
};
constexpr std::size_t table_size = 1 << 14;
std::array<entry, table_size> table;
std::uint32_t execution_number = 0;

std::vector<site> all_sites;
bool new_sharing = false;
mutation weakened;
std::int32_t weakened_site = -1;
std::array<bool, threads_max> walking{};

entry& entry_of(const void* object) noexcept {
  const auto bits = reinterpret_cast<std::uintptr_t>(object);
  std::size_t index = (bits * 0x9E3779B97F4A7C15ull >> 40) % table_size;
  for (;; index = (index + 1) % table_size) {
    entry& each = table[index];
    if (each.execution != execution_number || each.object == object) return each;
  }
}

location& make_location(entry& at, const void* object, std::uint64_t value) noexcept {
  const execution::host_memory outside;
  if (location_count == table_size / 2) execution::fail("the model has too many atomics");
  if (location_count == locations.size()) locations.emplace_back();
  at = {object, execution_number, location_count};
  location& made = locations[location_count++];
  made.object = object;
  made.dead = made.shared = false;
  made.maker = made.made = made.threads = 0;
  made.sites.clear();
  made.stores.clear();
  for (unsigned thread = 0; thread < threads_max; ++thread) {
    made.last_use[thread] = made.touched[thread] = 0;
    made.wrote[thread] = made.ordered[thread] = made.loaded[thread] = 0;
  }
  store_record& initial = made.stores.emplace_back();
  initial.value = value;
  initial.released = {};
  for (std::uint32_t& each : initial.seen) each = 0;  // seen by all, before they began
  initial.follows = initial.in_sc_order = false;
  return made;
}

std::uint64_t value_in_memory(const void* object, unsigned bytes) noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, object, bytes);
  return value;
}

std::uint32_t number_of(const location& which) noexcept {
  return static_cast<std::uint32_t>(&which - locations.data());
}

// ---- Sites

std::uint16_t register_site(const std::source_location& where) noexcept {
  const execution::host_memory outside;
  std::string file = where.file_name();
  for (const char* module : {"/runtime/", "/sync/", "/net/", "/tests/"}) {
    if (const std::size_t found = file.rfind(module); found != std::string::npos) {
      file.erase(0, found + 1);
      break;
    }
  }
  for (std::size_t i = 0; i < all_sites.size(); ++i) {
    const site& each = all_sites[i];
    if (each.line == where.line() && each.column == where.column() && each.file == file)
      return static_cast<std::uint16_t>(i);
  }
  site& made = all_sites.emplace_back();
  made.file = file;
  made.line = where.line();
  made.column = where.column();
  return static_cast<std::uint16_t>(all_sites.size() - 1);
}

/// A source location is a pointer to a constant of the compiler's: a key that is cheap to look up.
std::uint16_t site_of(const std::source_location& where) noexcept {
  static_assert(sizeof(where) == sizeof(void*));
  struct known_site {
    const void* key;
    std::uint16_t index;
  };
  constexpr std::size_t known_max = 4096;
  static std::array<known_site, known_max> known;
  const auto key = std::bit_cast<const void*>(where);
  std::size_t index = (reinterpret_cast<std::uintptr_t>(key) >> 3) % known_max;
  while (known[index].key != key) {
    if (known[index].key == nullptr) {
      known[index] = {key, register_site(where)};
      break;
    }
    index = (index + 1) % known_max;
  }
  return known[index].index;
}

std::int32_t find_weakened() noexcept {
  if (weakened.line == 0) return -1;
  for (std::size_t i = 0; i < all_sites.size(); ++i) {
    const site& each = all_sites[i];
    if (each.line == weakened.line && each.column == weakened.column && each.file == weakened.file)
      return static_cast<std::int32_t>(i);
  }
  return -1;
}

struct orders {
  std::memory_order success;
  std::memory_order failure;
};

/// Notes what the site asks for; returns what it gets.
orders begin_operation(std::uint16_t index, const char* name, bool modifies,
                       orders asked) noexcept {
  site& at = all_sites[index];
  if (!at.reached) {
    at.reached = true;
    at.operation = name;
    at.modifies = modifies;
    at.order = asked.success;
    at.failure = asked.failure;
    weakened_site = find_weakened();
  }
  if (weakened_site == index)
    (weakened.of_failure ? asked.failure : asked.success) = weakened.order;
  execution::point(at.shared);
  ++execution::clock().at[execution::current()];
  return asked;
}

void mark_shared(std::uint16_t index) noexcept {
  new_sharing |= !all_sites[index].shared;
  all_sites[index].found_shared = true;
}

/// Which threads meet at this location, and from which sites.
void note_use(location& used, std::uint16_t index) noexcept {
  if (execution::alone()) return;
  const std::uint32_t bit = std::uint32_t{1} << execution::current();
  const bool known_site =
      std::find(used.sites.begin(), used.sites.end(), index) != used.sites.end();
  if (known_site && (used.threads & bit) != 0) return;
  used.threads |= bit;
  if (!known_site) {
    const execution::host_memory outside;
    used.sites.push_back(index);
  }
  if (!std::has_single_bit(used.threads)) {
    for (const std::uint16_t each : used.sites) mark_shared(each);
  }
}

/// The location of an operation, after the decision who goes first.
location& location_of(const void* object, unsigned bytes, std::uint16_t site_index) noexcept {
  const bool walks = walking[execution::current()];
  if (!walks && race_detector::is_freed(object))
    execution::fail("an atomic in freed memory is used");
  entry& found = entry_of(object);
  location& at = found.execution == execution_number
                     ? locations[found.location]
                     : make_location(found, object, value_in_memory(object, bytes));
  if (at.dead && !walks) execution::fail("an atomic is used after its destruction");
  const vector_clock& clock = execution::clock();
  if (!clock.covers(at.maker, at.made))
    execution::fail("an atomic is used in a race with its construction");
  if (!walks) at.last_use[execution::current()] = clock.at[execution::current()];
  note_use(at, site_index);
  return at;
}

/// After an operation: notes it, and ends a preemption before it.
void end_operation(location& at, bool writes, std::memory_order order) noexcept {
  const unsigned self = execution::current();
  const bool in_total_order = order == std::memory_order_seq_cst;
  if (const std::uint32_t since = execution::kept_since(); since != 0) {
    bool met = false;
    for (unsigned other = 0; other < threads_max; ++other) {
      if (other == self) continue;
      met |= at.wrote[other] > since || (writes && at.touched[other] > since) ||
             (in_total_order && at.ordered[other] > since);
    }
    execution::end_preemption(met);
  }
  const std::uint32_t now = execution::step();
  at.touched[self] = now;
  if (writes) at.wrote[self] = now;
  if (in_total_order) at.ordered[self] = now;
}

// ---- The memory model

bool acquires(std::memory_order order) noexcept {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst || order == std::memory_order_consume;
}
bool releases(std::memory_order order) noexcept {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

bool happened_before_us(const store_record& each) noexcept {
  const vector_clock& clock = execution::clock();
  for (unsigned thread = 0; thread < threads_max; ++thread) {
    if (each.seen[thread] <= clock.at[thread]) return true;
  }
  return false;
}

/// See options::no_early_loads. A release store that an acquire load returns happens before that, so
/// the storing thread cannot have seen anything later.
void forbid_early_loads(const location& at, std::memory_order order) noexcept {
  const vector_clock& seen = execution::seen_of_others();
  for (unsigned other = 0; other < threads_max; ++other) {
    const std::uint32_t when = at.loaded[other];
    if (other == execution::current() || when == 0) continue;
    if (releases(order) && at.loaded_with_acquire[other]) continue;
    if (!execution::clock().covers(other, when) && seen.at[other] > when)
      execution::fail("a load of thread " + std::to_string(other) +
                      " could have returned a store that comes after it");
  }
}

/// The oldest store that the running thread may still read, or put a store behind.
std::size_t oldest_visible(const location& at, std::memory_order order) noexcept {
  for (std::size_t i = at.stores.size() - 1; i > 0; --i) {
    const store_record& each = at.stores[i];
    if (happened_before_us(each)) return i;
    if (order == std::memory_order_seq_cst && each.in_sc_order) return i;
  }
  return 0;
}

/// May something take the place right after store `i`? Not if a read-modify-write has it.
bool open_behind(const location& at, std::size_t i) noexcept {
  return i + 1 == at.stores.size() || !at.stores[i + 1].follows;
}

std::uint64_t read(location& at, std::size_t i, std::memory_order order) noexcept {
  store_record& each = at.stores[i];
  std::uint32_t& seen = each.seen[execution::current()];
  vector_clock& clock = execution::clock();
  seen = std::min(seen, clock.at[execution::current()]);
  if (acquires(order)) clock.join(each.released);
  if (execution::forbids_early_loads()) execution::seen_of_others().join(each.seen_by_writer);
  if (order == std::memory_order_seq_cst) each.in_sc_order = true;
  execution::note_read(number_of(at));
  return each.value;
}

/// Puts a store right after store `i`.
void write(location& at, std::size_t i, std::uint64_t value, std::memory_order order,
           bool follows) noexcept {
  const execution::host_memory outside;
  store_record made{};
  made.value = value;
  if (execution::forbids_early_loads()) {
    forbid_early_loads(at, order);
    made.seen_by_writer = execution::seen_of_others();
    made.seen_by_writer.at[execution::current()] = execution::clock().at[execution::current()];
  }
  made.follows = follows;
  made.in_sc_order = order == std::memory_order_seq_cst;
  for (std::uint32_t& each : made.seen) each = never;
  vector_clock& clock = execution::clock();
  made.seen[execution::current()] = clock.at[execution::current()];
  if (releases(order)) made.released = clock;
  if (follows) made.released.join(at.stores[i].released);
  at.stores.insert(at.stores.begin() + static_cast<std::ptrdiff_t>(i) + 1, made);
  // What comes after is not part of what was released.
  ++clock.at[execution::current()];
  execution::note_change(number_of(at));
}

/// One of the stores from `oldest` on for which `possible` holds; the newest first.
template <class Possible>
std::size_t choose_store(const location& at, std::size_t oldest, Possible possible) noexcept {
  const std::size_t newest = at.stores.size() - 1;
  if (oldest == newest) return newest;
  std::uint32_t count = 0;
  for (std::size_t i = oldest; i <= newest; ++i) count += possible(i) ? 1U : 0U;
  std::uint32_t skipped = execution::may_be_stale() ? execution::choose(count) : 0U;
  if (skipped > 0) execution::was_stale();
  for (std::size_t i = newest;; --i) {
    if (possible(i) && skipped-- == 0) return i;
  }
}

std::uint64_t changed(change how, std::uint64_t value, std::uint64_t operand,
                      unsigned bytes) noexcept {
  switch (how) {
    case change::exchange:
      value = operand;
      break;
    case change::add:
      value += operand;
      break;
    case change::subtract:
      value -= operand;
      break;
    case change::bit_and:
      value &= operand;
      break;
    case change::bit_or:
      value |= operand;
      break;
    case change::bit_xor:
      value ^= operand;
      break;
  }
  return bytes == 8 ? value : value & ((std::uint64_t{1} << bytes * 8) - 1);
}

/// What an operation did. `store` is the one that it read, or made.
void trace(std::uint16_t index, const location& at, const char* what, std::uint64_t before,
           std::uint64_t after, std::memory_order order, std::size_t store) {
  const site& place = all_sites[index];
  char values[64];
  if (before == after) {
    std::snprintf(values, sizeof(values), "%#llx", static_cast<unsigned long long>(before));
  } else {
    std::snprintf(values, sizeof(values), "%#llx -> %#llx", static_cast<unsigned long long>(before),
                  static_cast<unsigned long long>(after));
  }
  char line[256];
  std::snprintf(line, sizeof(line), "%s %s %s  at %p  %s:%u%s", what, values, name_of(order),
                at.object, place.file.c_str(), place.line,
                store + 1 == at.stores.size() ? "" : "  (not the newest)");
  execution::trace(line);
}

}  // namespace

const char* name_of(std::memory_order order) noexcept {
  switch (order) {
    case std::memory_order_relaxed:
      return "relaxed";
    case std::memory_order_consume:
      return "consume";
    case std::memory_order_acquire:
      return "acquire";
    case std::memory_order_release:
      return "release";
    case std::memory_order_acq_rel:
      return "acq_rel";
    case std::memory_order_seq_cst:
      return "seq_cst";
  }
  return "";
}

void reset() noexcept {
  ++execution_number;
  location_count = 0;
  walking = {};
}

void construct(const void* object, unsigned bytes) noexcept {
  if (!execution::inside()) return;
  location& made = make_location(entry_of(object), object, value_in_memory(object, bytes));
  made.maker = execution::current();
  made.made = ++execution::clock().at[execution::current()];
}

namespace {

void expect_unused(const location& at, const char* what) noexcept {
  for (unsigned thread = 0; thread < threads_max; ++thread) {
    if (!execution::clock().covers(thread, at.last_use[thread]))
      execution::fail(std::string("an atomic is ") + what + " in a race with its use by thread " +
                      std::to_string(thread));
  }
}

}  // namespace

void destroy(const void* object) noexcept {
  if (!execution::inside()) return;
  const entry& at = entry_of(object);
  if (at.execution != execution_number) return;
  location& dying = locations[at.location];
  if (dying.dead) execution::fail("an atomic is destroyed twice");
  expect_unused(dying, "destroyed");
  dying.dead = true;
}

void free(const void* begin, std::size_t bytes) noexcept {
  const auto first = reinterpret_cast<std::uintptr_t>(begin);
  for (std::uint32_t i = 0; i < location_count; ++i) {
    const location& each = locations[i];
    if (each.dead || reinterpret_cast<std::uintptr_t>(each.object) - first >= bytes) continue;
    expect_unused(each, "freed");
  }
}

walk::walk() noexcept {
  walking[execution::current()] = true;
}
walk::~walk() {
  walking[execution::current()] = false;
}

std::uint64_t load(const void* object, unsigned bytes, std::memory_order order,
                   std::source_location where) noexcept {
  const std::uint16_t index = site_of(where);
  order = begin_operation(index, "load", false, {order, std::memory_order_relaxed}).success;
  location& at = location_of(object, bytes, index);
  const std::size_t chosen =
      choose_store(at, oldest_visible(at, order), [](std::size_t) { return true; });
  const std::uint64_t value = read(at, chosen, order);
  at.loaded[execution::current()] = execution::clock().at[execution::current()];
  at.loaded_with_acquire[execution::current()] = acquires(order);
  end_operation(at, false, order);
  if (execution::traced()) trace(index, at, "load", value, value, order, chosen);
  return value;
}

void store(void* object, unsigned bytes, std::uint64_t value, std::memory_order order,
           std::source_location where) noexcept {
  const std::uint16_t index = site_of(where);
  order = begin_operation(index, "store", true, {order, std::memory_order_relaxed}).success;
  location& at = location_of(object, bytes, index);
  const std::size_t behind = choose_store(at, oldest_visible(at, order),
                                          [&](std::size_t i) { return open_behind(at, i); });
  write(at, behind, value, order, false);
  end_operation(at, true, order);
  if (execution::traced()) trace(index, at, "store", value, value, order, behind + 1);
}

std::uint64_t modify(void* object, unsigned bytes, change how, std::uint64_t operand,
                     std::memory_order order, std::source_location where) noexcept {
  const std::uint16_t index = site_of(where);
  order = begin_operation(index, "modify", true, {order, std::memory_order_relaxed}).success;
  location& at = location_of(object, bytes, index);
  const std::size_t chosen = choose_store(at, oldest_visible(at, order),
                                          [&](std::size_t i) { return open_behind(at, i); });
  const std::uint64_t before = read(at, chosen, order);
  const std::uint64_t after = changed(how, before, operand, bytes);
  write(at, chosen, after, order, true);
  end_operation(at, true, order);
  if (execution::traced()) trace(index, at, "modify", before, after, order, chosen + 1);
  return before;
}

bool compare_exchange(void* object, unsigned bytes, std::uint64_t& expected, std::uint64_t desired,
                      std::memory_order success, std::memory_order failure, exchange_kind kind,
                      std::source_location where) noexcept {
  const std::uint16_t index = site_of(where);
  const orders granted = begin_operation(index, "compare_exchange", true, {success, failure});
  location& at = location_of(object, bytes, index);
  const std::size_t for_success = oldest_visible(at, granted.success);
  const std::size_t for_failure = oldest_visible(at, granted.failure);
  const std::size_t chosen =
      choose_store(at, std::min(for_success, for_failure), [&](std::size_t i) {
        return at.stores[i].value == expected ? i >= for_success && open_behind(at, i)
                                              : i >= for_failure;
      });
  if (at.stores[chosen].value == expected &&
      !(kind == exchange_kind::weak && execution::take_spurious_failure())) {
    read(at, chosen, granted.success);
    write(at, chosen, desired, granted.success, true);
    end_operation(at, true, granted.success);
    if (execution::traced())
      trace(index, at, "exchange", expected, desired, granted.success, chosen + 1);
    return true;
  }
  expected = read(at, chosen, granted.failure);
  // As a write: whether it fails may hang on what others do meanwhile.
  end_operation(at, true, granted.success);
  if (execution::traced())
    trace(index, at, "no exchange, is", expected, expected, granted.failure, chosen);
  return false;
}

bool see_newest(std::uint32_t number) noexcept {
  store_record& newest = locations[number].stores.back();
  std::uint32_t& seen = newest.seen[execution::current()];
  if (seen != never) return false;
  seen = execution::clock().at[execution::current()];
  return true;
}

std::uint64_t see_newest(const void* object, unsigned bytes) noexcept {
  const entry& found = entry_of(object);
  if (found.execution != execution_number) return value_in_memory(object, bytes);
  see_newest(found.location);
  locations[found.location].touched[execution::current()] = execution::step();
  return locations[found.location].stores.back().value;
}

void forget_sites() noexcept {
  for (site& each : all_sites) each.reached = each.shared = each.found_shared = false;
  new_sharing = false;
}

bool take_new_sharing() noexcept {
  const bool any = new_sharing;
  if (any) {
    for (site& each : all_sites) each.shared = each.found_shared;
  }
  new_sharing = false;
  return any;
}

const std::vector<site>& sites() noexcept {
  return all_sites;
}

void mutate(const mutation* target) noexcept {
  weakened = target != nullptr ? *target : mutation{};
  weakened_site = find_weakened();
}

}  // namespace weft::model::memory
