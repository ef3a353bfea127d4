#pragma once

#include <cerrno>
#include <string>

namespace weft::detail {

/// Twelve letters and digits, other ones each time.
std::string random_letters();

/// Calls make(name) with names that begin with `prefix` until it returns anything but EEXIST, which
/// is what this returns; the name is left in `name`. Gives up after 100 with EEXIST.
template <class Make>
int with_fresh_name(const std::string& prefix, std::string& name, Make make) {
  for (int tries_left = 100; tries_left > 0; --tries_left) {
    name = prefix + random_letters();
    const int error = make(name.c_str());
    if (error != EEXIST) return error;
  }
  return EEXIST;
}

}  // namespace weft::detail
