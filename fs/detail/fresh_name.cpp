#include "fresh_name.h"

#include <cstddef>
#include <random>

namespace weft::detail {

std::string random_letters() {
  constexpr char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::string text(12, '\0');
  for (char& each : text) each = letters[random() % (sizeof letters - 1)];
  return text;
}

}  // namespace weft::detail
