#pragma once

// Threads and what blocks them, for the parts that the model checker runs: see atomic.h. Apart from
// it, because these headers are heavy.

#include "atomic.h"
#include "parker.h"

#if !defined(WEFT_MODEL)

#include <condition_variable>
#include <mutex>
#include <thread>

namespace weft::detail {

using os_mutex = std::mutex;
using os_condition = std::condition_variable;
using os_thread = std::thread;

}  // namespace weft::detail

#endif
