#include "echo_checker.h"

#include <random>
#include <stdexcept>

namespace weft::tools {

echo_noise::echo_noise(std::size_t size) : size_(size), bytes_(size + pieces, '\0') {
  std::minstd_rand random(1);  // the same in every run
  for (char& byte : bytes_) byte = static_cast<char>(random() >> 8U & 0xffU);
}

std::string_view echo_noise::message(std::size_t connection, std::uint64_t number) const noexcept {
  const std::size_t from = (connection * 31 + number) % pieces;
  return std::string_view(bytes_).substr(from, size_);
}

void echo_checker::feed(std::string_view bytes) {
  if (!expected_.starts_with(bytes))
    throw std::runtime_error("echoed bytes differ from those sent");
  expected_.remove_prefix(bytes.size());
}

}  // namespace weft::tools
