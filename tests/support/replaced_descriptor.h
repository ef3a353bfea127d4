#pragma once

#include <unistd.h>

namespace weft::testing {

/// While it lives, a descriptor of the process is another one.
class replaced_descriptor {
 public:
  replaced_descriptor(int which, int with) : which_(which), before_(::dup(which)) {
    ::dup2(with, which);
    ::close(with);
  }
  ~replaced_descriptor() {
    ::dup2(before_, which_);
    ::close(before_);
  }
  replaced_descriptor(const replaced_descriptor&) = delete;
  replaced_descriptor& operator=(const replaced_descriptor&) = delete;

 private:
  int which_;
  int before_;
};

}  // namespace weft::testing
