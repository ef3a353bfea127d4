// Read files that the kernel has in memory.
//
//   small: 10,000 files of 4 KiB at the same time, each opened, read whole and closed. Per file.
//   large: one file of 1 GiB, in reads of 64 KiB into the same memory. Per read.
//
// All contenders share one folder, weft-bench-files in the system's folder for temporary files. Who
// finds it incomplete fills it; nobody removes it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace files {

inline constexpr int small_files = 10'000;
inline constexpr std::size_t small_bytes = 4096;
inline constexpr std::size_t chunk_bytes = 65'536;
inline constexpr int chunks = 16'384;

}  // namespace files
