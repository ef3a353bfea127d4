#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace weft::tools {

/// Exit code of a program that could not do its work.
inline constexpr int exit_failed = 1;

/// Runs a program's body. Whatever it throws becomes one line on the error stream that names the
/// program and the cause, and exit code exit_failed; so does output that could not be written.
///
/// Standard streams that are closed are opened on /dev/null before, so that no socket gets their
/// numbers and is written to as if it were the terminal.
int run_program(std::string_view name, const std::function<int()>& body);

/// Throws std::runtime_error if what was printed so far did not get to its reader or file.
void require_output();

/// Raises the soft limit of open files to the hard one.
void raise_descriptor_limit() noexcept;

/// The same; throws std::runtime_error that names both numbers if that is fewer than `needed`.
void require_descriptors(std::size_t needed);

}  // namespace weft::tools
