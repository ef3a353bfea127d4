#include "io_source.h"

#include "chaos.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <new>

namespace weft::detail {
namespace {

constexpr std::size_t chunk_sources = sizes::source_chunk;
constexpr std::size_t chunks_max = sizes::source_chunks;

// Chunks are made on demand and never freed.
//   written by  open(), any thread, once a chunk by compare-exchange (release)
//   read by     open() and find(), any thread (acquire): the sources inside are constructed
constinit atomic<io_source*> chunks[chunks_max];

// Live registrations with pollers, for the ledger. Relaxed: a statistic.
constinit atomic<std::int64_t> live_registrations{0};

io_source* chunk_at(std::size_t index) noexcept {
  // acquire: see chunks.
  io_source* chunk = chunks[index].load(std::memory_order_acquire);
  if (chunk != nullptr) return chunk;
  auto* made = new (std::nothrow) io_source[chunk_sources];
  if (made == nullptr) return nullptr;
  // release: see chunks; acquire: as above, when somebody was faster.
  if (chunks[index].compare_exchange_strong(chunk, made, std::memory_order_release,
                                            std::memory_order_acquire))
    return made;
  delete[] made;
  return chunk;
}

constexpr std::size_t index(io_direction direction) noexcept {
  return static_cast<std::size_t>(direction);
}

}  // namespace

io_source* io_source::open(int fd, bool read_ready) noexcept {
  const auto number = static_cast<std::size_t>(fd);
  if (number / chunk_sources >= chunks_max) return nullptr;
  io_source* chunk = chunk_at(number / chunk_sources);
  if (chunk == nullptr) return nullptr;
  io_source& source = chunk[number % chunk_sources];
  // acquire: pairs with the last exchange in close(), which it reads: an exchange as well, for a load
  // might be old. The kernel orders the two by giving the number away again, but that is no reason
  // for the language.
  (void)source.slots_[1].exchange(closed, std::memory_order_acquire);
  source.fd_ = fd;
  source.generation_.store(source.generation() + 1, std::memory_order_relaxed);
  source.hung_up_.store(false, std::memory_order_relaxed);
  source.registered_with_.store(nobody, std::memory_order_relaxed);
  // Relaxed: a late event of the former life may still look, and reads nothing but the slots.
  source.slots_[0].store(read_ready ? ready : empty, std::memory_order_relaxed);
  source.slots_[1].store(ready, std::memory_order_relaxed);
  return &source;
}

const std::size_t io_source::part_bytes = chunk_sources * sizeof(io_source);

int io_source::open_error(int fd) noexcept {
  return static_cast<std::size_t>(fd) / chunk_sources >= chunks_max ? EMFILE : ENOMEM;
}

io_source* io_source::find(std::uint64_t tag) noexcept {
  const auto number = static_cast<std::uint32_t>(tag);
  // Relaxed: the tag brings the chunk, as generation_.
  io_source* chunk = chunks[number / chunk_sources].load(std::memory_order_relaxed);
  io_source& source = chunk[number % chunk_sources];
  return source.generation() == tag >> 32 ? &source : nullptr;
}

void io_source::close() noexcept {
  generation_.store(generation() + 1, std::memory_order_relaxed);
  end_registration();
  // acq_rel: see slots_.
  for (auto& slot : slots_) hand_out(slot.exchange(closed, std::memory_order_acq_rel));
}

bool io_source::take_ready(io_direction direction) noexcept {
  atomic<std::uintptr_t>& slot = slots_[index(direction)];
  std::uintptr_t seen = ready;
  // acquire: see slots_.
  return slot.load(std::memory_order_relaxed) == ready &&
         slot.compare_exchange_strong(seen, empty, std::memory_order_acquire,
                                      std::memory_order_relaxed);
}

void io_source::put_ready(io_direction direction) noexcept {
  std::uintptr_t seen = empty;
  // Relaxed: what the operation has taken, it puts back. Fails when an event or close() was faster,
  // which says the same or more.
  slots_[index(direction)].compare_exchange_strong(seen, ready, std::memory_order_relaxed);
}

bool io_source::is_ready(io_direction direction) const noexcept {
  // Relaxed: the next operation takes it, and sees what came before the event by that.
  return slots_[index(direction)].load(std::memory_order_relaxed) == ready;
}

bool io_source::is_closed(io_direction direction) const noexcept {
  return slots_[index(direction)].load(std::memory_order_relaxed) == closed;
}

io_source::park_result io_source::park(io_direction direction, io_waiter& waiter) noexcept {
  std::uintptr_t seen = empty;
  // release: see slots_. Relaxed if it fails: it is tried again with take_ready().
  if (slots_[index(direction)].compare_exchange_strong(
          seen, reinterpret_cast<std::uintptr_t>(&waiter), std::memory_order_release,
          std::memory_order_relaxed)) {
    return park_result::parked;
  }
  return seen == ready || seen == closed ? park_result::ready : park_result::busy;
}

bool io_source::unpark(io_direction direction, io_waiter& waiter) noexcept {
  auto seen = reinterpret_cast<std::uintptr_t>(&waiter);
  // Relaxed: the waiter is the caller's, who keeps its task from running.
  return slots_[index(direction)].compare_exchange_strong(seen, empty, std::memory_order_relaxed);
}

void io_source::hand_out(std::uintptr_t was) noexcept {
  if (was <= closed) return;
  chaos::point();
  auto& waiter = *reinterpret_cast<io_waiter*>(was);
  waiter.ready(waiter);
}

void io_source::signal(io_direction direction) noexcept {
  atomic<std::uintptr_t>& slot = slots_[index(direction)];
  std::uintptr_t seen = slot.load(std::memory_order_relaxed);
  // Also from READY to READY (new data is reported as writable too): a plain look might be stale.
  // CLOSED stays.
  while (seen != closed) {
    // acq_rel: see slots_.
    if (slot.compare_exchange_weak(seen, ready, std::memory_order_acq_rel,
                                   std::memory_order_relaxed)) {
      return hand_out(seen);
    }
  }
}

void io_source::on_event(bool readable, bool writable, bool saw_hang_up) noexcept {
  if (saw_hang_up) hung_up_.store(true, std::memory_order_relaxed);
  if (readable) signal(io_direction::read);
  if (writable) signal(io_direction::write);
}

bool io_source::begin_registration(std::uint8_t runtime) noexcept {
  std::uint8_t seen = nobody;
  if (registered() ||
      !registered_with_.compare_exchange_strong(seen, runtime, std::memory_order_relaxed))
    return false;
  live_registrations.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void io_source::end_registration() noexcept {
  if (registered_with_.exchange(nobody, std::memory_order_relaxed) != nobody)
    live_registrations.fetch_sub(1, std::memory_order_relaxed);
}

template <class Visit>
bool io_source::visit_all(Visit visit) noexcept {
  for (const auto& each : chunks) {
    // acquire: see chunks.
    io_source* chunk = each.load(std::memory_order_acquire);
    if (chunk == nullptr) continue;
    for (std::size_t i = 0; i < chunk_sources; ++i)
      if (visit(chunk[i])) return true;
  }
  return false;
}

void io_source::end_registrations(std::uint8_t runtime) noexcept {
  visit_all([runtime](io_source& each) {
    std::uint8_t seen = runtime;
    if (each.registered_with_.compare_exchange_strong(seen, nobody, std::memory_order_relaxed)) {
      live_registrations.fetch_sub(1, std::memory_order_relaxed);
      // Behind that: who is woken, or does not get to park, finds it unregistered.
      each.signal(io_direction::read);
      each.signal(io_direction::write);
    }
    return false;
  });
}

std::int64_t io_source::registrations() noexcept {
  return live_registrations.load(std::memory_order_relaxed);
}

bool io_source::anyone_waits() noexcept {
  return visit_all([](const io_source& each) {
    return std::any_of(std::begin(each.slots_), std::end(each.slots_), [](const auto& slot) {
      return slot.load(std::memory_order_relaxed) > closed;
    });
  });
}

}  // namespace weft::detail
