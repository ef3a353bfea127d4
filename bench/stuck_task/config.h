/* What a task that does not give way does to everybody else: an echo server on two workers, and one
 * task that computes for so long again and again, yielding in between. Measured: the 99.9th
 * percentile of the latency of 16 unrelated connections, each with a message a millisecond. Without
 * help from the other worker, every connection that lives on the busy one waits that long. */
#pragma once

enum { echo_buffer = 4096, busy_ms = 50 };
