#include "stage.h"

#include <array>

namespace weft::stress {

using namespace std::chrono_literals;

task<> stage::waver(random_stream& random) const {
  constexpr std::array<std::uint64_t, 4> chances{256, 32, 8, 3};  // by chaos level
  if (!random.one_in(chances[plan_.chaos])) co_return;
  if (random.one_in(4)) {
    const auto length = random.up_to(300us);
    co_await sleep(length);
  } else {
    co_await yield();
  }
}

}  // namespace weft::stress
