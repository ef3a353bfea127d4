#include <weft/runtime/detail/promise_base.h>
#include <weft/runtime/runtime.h>

#include <gtest/gtest.h>

#include <coroutine>

namespace weft::detail {
namespace {

/// Counts itself. Neither copied nor moved: it is awaited where it was made.
struct counted_awaiter {
  explicit counted_awaiter(int& alive) noexcept : alive_(alive) { ++alive_; }
  counted_awaiter(const counted_awaiter&) = delete;
  counted_awaiter& operator=(const counted_awaiter&) = delete;
  ~counted_awaiter() { --alive_; }

  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  counted_awaiter& await_resume() noexcept { return *this; }

 private:
  int& alive_;
};
struct converts {
  int& alive;
  counted_awaiter operator co_await() && noexcept { return counted_awaiter(alive); }
};
struct converts_outside {
  int& alive;
};
counted_awaiter operator co_await(const converts_outside& from) noexcept {
  return counted_awaiter(from.alive);
}

TEST(AwaitTransform, Awaiter_LivesToTheEndOfItsExpression) {
  int alive = 0;
  run([&]() -> task<> {
    const auto alive_meanwhile = [&](const counted_awaiter&) { return alive; };
    EXPECT_EQ(alive_meanwhile(co_await counted_awaiter(alive)), 1);
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(alive_meanwhile(co_await converts{alive}), 1);
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(alive_meanwhile(co_await converts_outside{alive}), 1);
    EXPECT_EQ(alive, 0);
  });
  EXPECT_EQ(alive, 0);
}

TEST(AwaitTransform, NamedAwaiter_IsAwaitedInPlace) {
  int alive = 0;
  run([&]() -> task<> {
    counted_awaiter named(alive);
    const counted_awaiter& same = co_await named;
    EXPECT_EQ(&same, &named);
    EXPECT_EQ(alive, 1);
  });
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace weft::detail
