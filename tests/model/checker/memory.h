#pragma once

// The memory that atomics of a model share: C++20's memory model, as far as an execution in program
// order can show it.
//
// Each atomic object has its modification order as a list of stores. A load may return any store
// that is not hidden: not older than one that happened before the load, or that this thread has
// read or written (coherence). A store may be put before others that it is not ordered with; a
// read-modify-write reads a store and takes the place right after it, which nobody else gets then.
// A store carries what an acquire load of it learns: a release store what its thread knows, a
// read-modify-write also what the store before it carried (C++20's release sequences: plain stores
// do not continue one). Sequentially consistent operations are ordered as they are executed: each of
// them sees no store older than one that an earlier one has read or written.
//
// What it cannot show: loads that read from the future (load buffering), for a thread executes in
// its program order (a model may forbid that there could be any: options::no_early_loads); orders of seq_cst operations that contradict happens-before, which C++20 allows
// where they are mixed with weaker ones on the same object. There are no fences; the library uses
// none.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

namespace weft::model::memory {

/// Begins an execution: all objects have the values of their memory.
void reset() noexcept;

void construct(const void* object, unsigned bytes) noexcept;
void destroy(const void* object) noexcept;
/// The memory of all atomics in there is given back. Each use of them happened before.
void free(const void* begin, std::size_t bytes) noexcept;

/// While it lives, the running thread looks at atomics whether their memory was given back or not.
class walk {
 public:
  walk() noexcept;
  ~walk();
  walk(const walk&) = delete;
  walk& operator=(const walk&) = delete;
};

enum class change : std::uint8_t { exchange, add, subtract, bit_and, bit_or, bit_xor };

std::uint64_t load(const void* object, unsigned bytes, std::memory_order order,
                   std::source_location where) noexcept;
void store(void* object, unsigned bytes, std::uint64_t value, std::memory_order order,
           std::source_location where) noexcept;
std::uint64_t modify(void* object, unsigned bytes, change how, std::uint64_t operand,
                     std::memory_order order, std::source_location where) noexcept;
enum class exchange_kind : std::uint8_t { strong, weak };
bool compare_exchange(void* object, unsigned bytes, std::uint64_t& expected, std::uint64_t desired,
                      std::memory_order success, std::memory_order failure, exchange_kind kind,
                      std::source_location where) noexcept;

/// From now on the running thread sees nothing older than the newest store. True: it had not seen
/// that one.
bool see_newest(std::uint32_t location) noexcept;
/// ... of this object, and reads it, without learning anything else: as a system call does.
std::uint64_t see_newest(const void* object, unsigned bytes) noexcept;

// ---- Sites: the places in the code that name an order

struct site {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  const char* operation = "";
  bool modifies = false;
  std::memory_order order = std::memory_order_relaxed;    // of a compare-exchange: on success
  std::memory_order failure = std::memory_order_relaxed;  // compare-exchange only
  bool reached = false;                                   // in the search that runs
  /// Several threads touch the objects of this site: others may run before its operation. Found
  /// during an execution, it counts from the next one on, and the search begins anew.
  bool shared = false;
  bool found_shared = false;
};

const char* name_of(std::memory_order order) noexcept;

/// Before a search.
void forget_sites() noexcept;
/// Between executions. True if a site has been found to be shared since the last call.
bool take_new_sharing() noexcept;
[[nodiscard]] const std::vector<site>& sites() noexcept;

/// One order that is weakened, for the test of the models themselves.
struct mutation {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  bool of_failure = false;
  std::memory_order order = std::memory_order_relaxed;
};
void mutate(const mutation* weakened) noexcept;

}  // namespace weft::model::memory
