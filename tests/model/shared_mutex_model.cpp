// Many readers or one writer: what the word of the lock allows without its list, and who comes next
// in line.

#include "../../runtime/spawn.h"
#include "../../sync/shared_mutex.h"
#include "around/lock_once.h"
#include "around/outcome.h"
#include "around/scheduler.h"
#include "checker/registry.h"

namespace weft::model {
namespace {

task<> read_once(shared_mutex& wanted, const int& guarded, int& seen, outcome& into) {
  const shared_lock_guard lock = co_await wanted.lock_shared();
  seen = guarded;
  into.is(end::value);
}

void check_free(const shared_mutex& shared) {
  check(!shared.locked() && shared.readers() == 0, "nobody has it, and it is locked");
}

const registered_model read_and_write(
    "SharedMutex", "TwoReadersAndAWriter_ExcludeHim", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2);
      shared_mutex shared;
      int guarded = 0, seen = 0;
      outcome of_reader, of_writer;
      const auto reader = spawn(read_once(shared, guarded, seen, of_reader));
      const auto writer = spawn(lock_once(shared, guarded, of_writer));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                  [&] {
                    if (const auto lock = shared.try_lock_shared())
                      check(guarded <= 1, "written twice");
                  });

      check(of_reader.how == end::value, "no reader");
      check(of_writer.how == end::value, "no writer");
      check_free(shared);
    });

// Two threads read, and come and go at the same time; the writer waits for the last of them.
const registered_model last_reader("SharedMutex", "TwoReadersLeave_TheLastLetsTheWriterIn",
                                   {.preemptions = 3, .stale_reads = 1}, [] {
                                     scheduler runs;
                                     shared_mutex shared;
                                     int guarded = 0;
                                     outcome of_writer;
                                     shared_lock_guard first = shared.try_lock_shared();
                                     shared_lock_guard second = shared.try_lock_shared();
                                     check(first && second, "readers exclude each other");
                                     const auto writer =
                                         spawn(lock_once(shared, guarded, of_writer));

                                     run_threads([&] { runs.work(); },
                                                 [&] {
                                                   check(guarded == 0, "written while we read");
                                                   first.unlock();
                                                 },
                                                 [&] {
                                                   check(guarded == 0, "written while we read");
                                                   second.unlock();
                                                 });

                                     check(of_writer.how == end::value, "no writer");
                                     check_free(shared);
                                   });

// A reader needs no list; another one is in the middle of using it.
const registered_model try_beside_another(
    "SharedMutex", "ReadersWithoutAWriter_AllEnter", {.preemptions = 2, .stale_reads = 1}, [] {
      scheduler runs(2);
      shared_mutex shared;
      const int guarded = 0;
      int of_first = 1, of_second = 1;
      outcome first_end, second_end;
      const auto first = spawn(read_once(shared, guarded, of_first, first_end));
      const auto second = spawn(read_once(shared, guarded, of_second, second_end));

      run_threads([&] { runs.work(0); }, [&] { runs.work(1); },
                  [&] {
                    const auto lock = shared.try_lock_shared();
                    check(lock.owns_lock(), "no entry");
                  });

      check(of_first == 0 && of_second == 0, "not read");
      check_free(shared);
    });

// The writer at the front gives up; the reader behind it comes in beside the one that stays.
const registered_model front_gives_up(
    "SharedMutex", "CancelOfTheWriter_LetsInWhoIsBehindIt", {.preemptions = 2, .stale_reads = 1},
    [] {
      scheduler runs;
      shared_mutex shared;
      int guarded = 0, seen = 7;
      outcome of_writer, of_reader;
      const shared_lock_guard stays = shared.try_lock_shared();
      shared_lock_guard leaves = shared.try_lock_shared();
      auto writer = spawn(lock_once(shared, guarded, of_writer));
      const auto reader = spawn(read_once(shared, guarded, seen, of_reader));

      run_threads([&] { runs.work(); }, [&] { leaves.unlock(); }, [&] { writer.cancel(); });

      check(writer.cancelled() || of_writer.how == end::cancelled, "written while we read");
      check(of_reader.how == end::value && seen == 0, "the reader waits for nobody");
      check(!shared.locked() && shared.readers() == 1, "not what is held");
    });

}  // namespace
}  // namespace weft::model
