#pragma once

#include <weft/weft.h>

#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

/// Runs an example as asyncio would: on one thread, in real time. With --virtual-time the clock jumps
/// over every sleep, so that seconds take microseconds; this is how the tests play them, and how your
/// own tests can.
inline int play(int argc, char** argv, weft::task<> app) {
  const std::string_view option = argc > 1 ? argv[1] : "";
  if (option == "--virtual-time") {
    weft::test_runtime().run(std::move(app));
  } else if (option.empty()) {
    weft::run(std::move(app), {.workers = 1});
  } else {
    std::cerr << argv[0] << ": " << option << "? The only option is --virtual-time\n";
    return 2;
  }
  return EXIT_SUCCESS;
}

/// Seconds since `start`, for examples that tell how long something took.
inline long seconds_since(weft::clock::time_point start) {
  return std::chrono::round<std::chrono::seconds>(weft::now() - start).count();
}
