#include "runtimes.h"
#include <weft/runtime/detail/address_space.h>
#include <weft/runtime/executor.h>
#include <weft/runtime/signal_set.h>
#include <weft/runtime/to_thread.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_TEST_SHADOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WEFT_TEST_SHADOW 1
#endif
#endif

// In child processes, whose address space is limited. Not under a sanitizer that maps its shadow
// memory as it goes: it would end the process itself.

namespace weft::detail {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using namespace weft::testing;

constexpr int told = 3;  // exit status of a child that has seen the error it expected
constexpr std::size_t mebibyte = std::size_t{1} << 20;

class AddressSpace : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef WEFT_TEST_SHADOW
    GTEST_SKIP() << "the sanitizer needs address space itself";
#endif
  }
};

/// To `bytes` more than are in use.
void limit_address_space(std::size_t bytes) {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const std::size_t limit = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + bytes;
  const rlimit both{.rlim_cur = limit, .rlim_max = limit};
  if (::setrlimit(RLIMIT_AS, &both) != 0) std::perror("setrlimit");
}

void print(const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
}

task<int> seven() {
  co_return 7;
}

void start_too_many_workers() {
  limit_address_space(40 * mebibyte);
  try {
    runtime too_many({.workers = 64});
  } catch (const std::system_error& error) {
    print(error);
  }
  // A program may go on with fewer.
  std::_Exit(weft::run(seven(), {.workers = 1}) == 7 ? told : 1);
}

TEST_F(AddressSpace, NoneForTheThreadOfAWorker_IsToldByItsNumberAndNeeds) {
  EXPECT_EXIT(start_too_many_workers(), ExitedWithCode(told),
              ContainsRegex("thread of worker [0-9]+ of 64 \\(needs [0-9]+ KiB of address space, "
                            "see ulimit -v and -u\\): Resource temporarily unavailable"));
}

void start_too_many_threads() {
  limit_address_space(40 * mebibyte);
  try {
    thread_pool_executor too_many(64);
  } catch (const std::system_error& error) {
    print(error);
    std::_Exit(told);
  }
}

TEST_F(AddressSpace, NoneForAThreadOfAPool_IsToldWithItsNeeds) {
  EXPECT_EXIT(start_too_many_threads(), ExitedWithCode(told),
              ContainsRegex("thread of a thread_pool_executor, after [0-9]+ of 64 \\(needs "));
}

/// Also the stacks of ended threads that the C library has kept.
void use_up_threads() {
  static std::mutex held;
  held.lock();
  static std::vector<std::thread> started;
  try {
    for (;;) started.emplace_back([] { const std::lock_guard never(held); });
  } catch (const std::system_error&) {  // that was the last one
  }
}

void block_without_threads() {
  weft::run(
      []() -> task<> {
        limit_address_space(20 * mebibyte);
        use_up_threads();
        try {
          co_await to_thread([] {});
        } catch (const std::system_error& error) {
          print(error);
          std::_Exit(told);
        }
      },
      {.workers = 1});
}

TEST_F(AddressSpace, NoneForABlockingThread_IsToldWithItsNeeds) {
  EXPECT_EXIT(block_without_threads(), ExitedWithCode(told),
              AllOf(HasSubstr("to_thread"), HasSubstr("see ulimit -v and -u")));
}

void make_frames_without_end() {
  weft::run(
      []() -> task<> {
        std::vector<task<int>> kept;
        kept.reserve(mebibyte);
        limit_address_space(8 * mebibyte);
        try {
          while (kept.size() < kept.capacity()) kept.push_back(seven());
        } catch (const std::bad_alloc& error) {
          print(error);
        }
        kept.pop_back();
        // Others are not affected: there is a frame again.
        const int value = co_await seven();
        std::_Exit(value == 7 ? told : 1);
      },
      {.workers = 1});
}

TEST_F(AddressSpace, NoneForFrames_IsToldByNameAndTheProgramGoesOn) {
  EXPECT_EXIT(make_frames_without_end(), ExitedWithCode(told),
              HasSubstr("no memory for coroutine frames, of which 64 KiB are needed at a time (is "
                        "the address space limited? see ulimit -v)"));
}

void open_descriptor_without_table() {
  for (int i = 0; i < 600; ++i) (void)::dup(STDERR_FILENO);  // into a part that nobody used yet
  limit_address_space(mebibyte);
  while (std::malloc(std::size_t{8} * 1024) != nullptr) {  // what is left is too small
  }
  try {
    const signal_set signals(SIGUSR1);
  } catch (const std::system_error& error) {
    print(error);
    std::_Exit(error.code().value() == ENOMEM ? told : 1);
  }
}

TEST_F(AddressSpace, NoneForDescriptors_IsToldByName) {
  EXPECT_EXIT(open_descriptor_without_table(), ExitedWithCode(told),
              HasSubstr("pipe for signals (the table of descriptors needs 16 KiB more, see ulimit "
                        "-v): Cannot allocate memory"));
}

TEST(OutOfMemory, What_NamesPartAndNeeds) {
  const out_of_memory error("a large coroutine frame", 20'000);

  EXPECT_THAT(error.what(), HasSubstr("no memory for a large coroutine frame"));
  EXPECT_THAT(error.what(), HasSubstr("20 KiB"));
}

TEST(OutOfMemory, DescriptorBeyondTheTable_IsTooManyOpenFiles) {
  try {
    throw_no_source(1'048'576, "pipe");
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EMFILE);
  }
}

}  // namespace
}  // namespace weft::detail
