// The files that are read: their names, and how they come to be.
#pragma once

#include "config.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace files {

inline std::filesystem::path folder() {
  return std::filesystem::temp_directory_path() / "weft-bench-files";
}

inline void fill(const std::filesystem::path& path, std::size_t bytes) {
  std::error_code missing;
  if (std::filesystem::file_size(path, missing) == bytes) return;
  const std::string chunk(small_bytes, 'x');
  std::ofstream out(path, std::ios::binary);
  for (std::size_t written = 0; written < bytes; written += chunk.size()) out << chunk;
}

inline std::vector<std::string> small() {
  std::filesystem::create_directories(folder());
  std::vector<std::string> paths;
  for (int i = 0; i < small_files; ++i) {
    paths.push_back((folder() / std::to_string(i)).string());
    fill(paths.back(), small_bytes);
  }
  return paths;
}

inline std::string large() {
  std::filesystem::create_directories(folder());
  const std::filesystem::path path = folder() / "large";
  fill(path, chunk_bytes * chunks);
  return path.string();
}

}  // namespace files
