/* Every server reads what has come, up to this much, and writes it back. A message is one read that
 * was answered. */
#pragma once

enum { echo_buffer = 4096 };
