// The slot of a descriptor: operation against event, close, cancellation, and the next life of the
// descriptor number. No edge is lost, and nobody touches a source or an operation that is gone.

#include "../../runtime/cancel.h"
#include "../../runtime/detail/io_operation.h"
#include "../../runtime/spawn.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "checker/registry.h"

#include <cerrno>

namespace weft::model {
namespace {

using detail::atomic;
using detail::io_direction;
using detail::io_operation;
using detail::io_progress;
using detail::io_source;

constexpr int fd = 1;  // its source is in a chunk that is never freed

/// What the kernel has for a reader: a system call takes it, or says that there is nothing yet.
class pipe {
 public:
  void write() noexcept { bytes_.fetch_add(1, std::memory_order_relaxed); }
  bool read() noexcept {
    int seen = bytes_.load(std::memory_order_relaxed);
    while (seen > 0) {
      if (bytes_.compare_exchange_weak(seen, seen - 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }

 private:
  // Relaxed: the kernel promises no order but that of the readiness it reports.
  atomic<int> bytes_{0};
};

class read_operation : public io_operation {
 public:
  read_operation(io_source* source, pipe& from) noexcept
      : io_operation(source, io_direction::read, step), from_(from) {}
  int await_resume() {
    check_outcome();
    return static_cast<int>(value);
  }

 private:
  static io_progress step(io_operation& self) noexcept {
    auto& reading = static_cast<read_operation&>(self);
    if (!reading.from_.read()) return io_progress::blocked;
    reading.source_->put_ready(io_direction::read);  // there may be more
    reading.value = 1;
    return io_progress::done;
  }
  pipe& from_;
};

/// Data comes first, then the poller reports it.
void deliver(pipe& into, std::uint64_t tag) noexcept {
  into.write();
  if (io_source* source = io_source::find(tag)) source->on_event(true, false, false);
}

task<> read_one(io_source* source, pipe& from, int& result, outcome& seen) {
  try {
    result = co_await read_operation(source, from);
    seen.is(end::value);
  } catch (const cancelled_error&) {
    seen.is(end::cancelled);
  }
}

const registered_model event_and_read("IoSource", "EventAgainstRead_LosesNoEdge",
                                      {.preemptions = 3, .immortal_blocks = 1}, [] {
                                        scheduler runs;
                                        io_source* source = io_source::open(fd, true);
                                        pipe bytes;
                                        int result = 0;
                                        outcome seen;
                                        const auto reader =
                                            spawn(read_one(source, bytes, result, seen));

                                        run_threads([&] { runs.work(); },
                                                    [&] { deliver(bytes, source->tag()); });
                                        source->close();

                                        check(result == 1, "nothing was read");
                                      });

task<> read_two(io_source* source, pipe& from, int& sum) {
  for (int i = 0; i < 2; ++i) {
    const int count = co_await read_operation(source, from);
    sum += count;
  }
}

const registered_model two_events("IoSource", "TwoEventsByTwoPollers_LoseNoEdge",
                                  {.preemptions = 2, .stale_reads = 1, .immortal_blocks = 1}, [] {
                                    scheduler runs;
                                    io_source* source = io_source::open(fd, false);
                                    pipe bytes;
                                    int sum = 0;
                                    const auto reader = spawn(read_two(source, bytes, sum));

                                    run_threads([&] { runs.work(); },
                                                [&] { deliver(bytes, source->tag()); },
                                                [&] { deliver(bytes, source->tag()); });
                                    source->close();

                                    check(sum == 2, "not all was read");
                                  });

const registered_model close_and_read("IoSource", "CloseAgainstRead_EndsIt",
                                      {.preemptions = 3, .immortal_blocks = 1}, [] {
                                        scheduler runs;
                                        io_source* source = io_source::open(fd, true);
                                        pipe bytes;
                                        int result = 0;
                                        outcome seen;
                                        const auto reader =
                                            spawn(read_one(source, bytes, result, seen));

                                        run_threads([&] { runs.work(); }, [&] { source->close(); });

                                        check(result == -ECANCELED, "not ended by the close");
                                      });

const registered_model close_event_read(
    "IoSource", "CloseAgainstEventAndRead_EndsIt", {.preemptions = 2, .immortal_blocks = 1}, [] {
      scheduler runs;
      io_source* source = io_source::open(fd, true);
      const std::uint64_t tag = source->tag();
      pipe bytes;
      int result = 0;
      outcome seen;
      const auto reader = spawn(read_one(source, bytes, result, seen));

      run_threads([&] { runs.work(); }, [&] { deliver(bytes, tag); }, [&] { source->close(); });

      check(result == 1 || result == -ECANCELED, "not ended");
    });

const registered_model cancel_and_event(
    "IoSource", "CancelAgainstEvent_LeavesTheBytesOrTakesThem",
    {.preemptions = 2, .immortal_blocks = 1}, [] {
      scheduler runs;
      io_source* source = io_source::open(fd, false);
      pipe bytes;
      int result = 0;
      outcome seen;
      auto reader = spawn(read_one(source, bytes, result, seen));

      run_threads([&] { runs.work(); }, [&] { deliver(bytes, source->tag()); },
                  [&] { reader.cancel(); });

      const bool left = source->is_ready(io_direction::read) && bytes.read();
      check(left == (seen.how != end::value), "bytes are lost, or the edge is");
      source->close();
    });

// A late event of the former life meets the next one: at worst it causes a look for nothing.
const registered_model next_life(
    "IoSource", "EventOfAFormerLife_DoesNoHarm", {.preemptions = 2, .immortal_blocks = 1}, [] {
      scheduler runs;
      io_source* former = io_source::open(fd, false);
      const std::uint64_t former_tag = former->tag();
      pipe former_bytes, bytes;
      int result = 0;
      outcome seen;

      run_threads([&] { deliver(former_bytes, former_tag); },
                  [&] {
                    former->close();
                    io_source* source = io_source::open(fd, false);
                    const auto reader = spawn(read_one(source, bytes, result, seen));
                    {
                      const thread poller([&] { deliver(bytes, source->tag()); });
                      runs.work();
                    }
                    source->close();
                  });

      check(result == 1, "nothing was read");
    });

// A thread closes, another one gets the same number and opens: what the first one did happened before.
const registered_model closed_elsewhere("IoSource", "NextLifeOnAnotherThread_BeginsAnew",
                                        {.preemptions = 3, .immortal_blocks = 1}, [] {
                                          scheduler runs;
                                          atomic<bool> closed{false};
                                          io_source* former = io_source::open(fd, false);
                                          pipe bytes;
                                          int result = 0;
                                          outcome seen;

                                          run_threads(
                                              [&] {
                                                check(former->fd() == fd, "not the number");
                                                former->close();
                                                // Relaxed: the kernel gives the number away.
                                                closed.store(true, std::memory_order_relaxed);
                                              },
                                              [&] {
                                                while (!closed.load(std::memory_order_relaxed))
                                                  detail::cpu_relax();
                                                io_source* source = io_source::open(fd, true);
                                                bytes.write();
                                                const auto reader =
                                                    spawn(read_one(source, bytes, result, seen));
                                                runs.work();
                                                source->close();
                                              });

                                          check(result == 1, "nothing was read");
                                        });

// Both operations of a new descriptor that wait first: one of them registers it.
const registered_model registration("IoSource", "TwoWhoRegister_OneDoes",
                                    {.preemptions = 3, .immortal_blocks = 1}, [] {
                                      io_source* source = io_source::open(fd, false);
                                      tally registered;
                                      const auto ask = [&] {
                                        if (source->begin_registration(1)) registered.add(1);
                                      };

                                      run_threads(ask, ask);

                                      check(registered.get() == 1, "not registered once");
                                      source->close();
                                      check(io_source::registrations() == 0,
                                            "a registration is left");
                                    });

// The runtime whose poller would report it ends: who waits registers it anew, and only then is
// there something to read.
const registered_model poller_ends("IoSource",
                                   "EndOfTheRuntimeThatPolls_MakesTheReaderRegisterAgain",
                                   {.preemptions = 3, .immortal_blocks = 1}, [] {
                                     constexpr std::uint8_t ending = 7;
                                     scheduler runs;
                                     io_source* source = io_source::open(fd, false);
                                     check(source->begin_registration(ending), "somebody else has");
                                     pipe bytes;
                                     int result = 0;
                                     outcome seen;
                                     const auto reader =
                                         spawn(read_one(source, bytes, result, seen));

                                     run_threads([&] { runs.work(); },
                                                 [&] {
                                                   io_source::end_registrations(ending);
                                                   while (!source->registered())
                                                     detail::cpu_relax();
                                                   deliver(bytes, source->tag());
                                                 });
                                     source->close();

                                     check(result == 1, "nothing was read");
                                   });

// The table grows by chunks, which two may want to make at once.
const registered_model table("IoSource", "TwoWhoOpenTheFirst_ShareAChunk",
                             {.preemptions = 3, .immortal_blocks = 1}, [] {
                               io_source* first = nullptr;
                               io_source* second = nullptr;

                               run_threads([&] { first = io_source::open(0, false); },
                                           [&] { second = io_source::open(1, false); },
                                           [&] { check(!io_source::anyone_waits(), "nobody"); });

                               check(second - first == 1, "not in one chunk");
                               check(io_source::find(first->tag()) == first, "not found");
                             });

}  // namespace
}  // namespace weft::model
