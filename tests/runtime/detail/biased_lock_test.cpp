#include <weft/runtime/detail/biased_lock.h>

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace weft::testing {
namespace {

using detail::biased_lock;

/// With a bias where the machine has the barrier for it, as the workers do it; what is asserted holds
/// in any case.
class BiasedLock : public ::testing::TestWithParam<bool> {
 protected:
  void bias() {
    if (GetParam() && detail::sys::enable_heavy_barrier()) lock.bias();
  }
  biased_lock lock;
};
INSTANTIATE_TEST_SUITE_P(Kinds, BiasedLock, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Biased" : "Plain"; });

TEST_P(BiasedLock, OwnerAndVisitor_TakeItInTurns) {
  int inside = 0;

  for (int i = 0; i < 3; ++i) {
    bias();
    {
      const biased_lock::owner_guard guard(lock);
      ++inside;
    }
    const biased_lock::visitor_guard guard(lock);
    ++inside;
  }

  EXPECT_EQ(inside, 6);
}

TEST_P(BiasedLock, OwnerAgainstVisitors_OneIsInsideAtATime) {
  constexpr int rounds = 20'000;
  constexpr int visits = 500;
  int count = 0;

  {
    std::vector<std::jthread> visitors;
    for (int i = 0; i < 2; ++i) {
      visitors.emplace_back([&] {
        for (int each = 0; each < visits; ++each) {
          const biased_lock::visitor_guard guard(lock);
          ++count;
        }
      });
    }
    for (int each = 0; each < rounds; ++each) {
      if (each % 16 == 0) bias();
      const biased_lock::owner_guard guard(lock);
      ++count;
    }
  }

  EXPECT_EQ(count, rounds + 2 * visits);
}

}  // namespace
}  // namespace weft::testing
