// The one main() of all Google Benchmark programs here.
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
