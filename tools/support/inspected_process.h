#pragma once

#include <string>

#include <sys/types.h>

namespace weft::tools {

/// What a running weft program tells about its tasks, for read_task_listing(). Waits for it for a
/// few seconds at most.
///
/// Throws std::runtime_error that says why not: there is no such process, it is no weft program, it
/// was not started so that one may look (and how to), it is somebody else's, it does not answer.
std::string ask_for_tasks(pid_t process);

}  // namespace weft::tools
