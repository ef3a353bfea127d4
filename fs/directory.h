#pragma once

#include "../runtime/async_generator.h"
#include "path_view.h"

#include <filesystem>

namespace weft::fs {

// The directory is read on the blocking pool, some hundred entries at a time. An entry knows its
// type where the file system tells it (is_directory(), is_regular_file()); its other members ask
// the disk, on the thread that calls them: from a task, use fs::stat(entry.path()).
//
// Errors: std::system_error ("read directory a/b: Permission denied"), after the entries before it.
// A NUL in the path throws std::invalid_argument at once.
// Cancellation: at a next() that reads; entries that were read are lost.

/// The entries of a directory, in no order, without "." and "..".
[[nodiscard]] async_generator<std::filesystem::directory_entry> read_directory(path_view where);
/// All below a directory, each directory before what it holds. Symbolic links are given, not
/// followed.
[[nodiscard]] async_generator<std::filesystem::directory_entry> walk(path_view where);

}  // namespace weft::fs
