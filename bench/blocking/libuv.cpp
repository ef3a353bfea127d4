// uv_queue_work on one loop; the callback takes the place of the awaiting task.
#include "../support/bench.h"
#include "config.h"

#include <cstdlib>
#include <string>
#include <vector>

#include <uv.h>

namespace {

struct job {
  uv_work_t request;
  int number;
  int answer;
};

void run_job(uv_work_t* request) {
  auto* self = reinterpret_cast<job*>(request);
  self->answer = blocking_loop::next(self->number);
}

class loop_with_pool {
 public:
  loop_with_pool() {
    setenv("UV_THREADPOOL_SIZE", std::to_string(blocking_loop::pool_threads).c_str(), 1);
    uv_loop_init(&loop);
  }
  ~loop_with_pool() { uv_loop_close(&loop); }

  uv_loop_t loop;
};

void many_at_a_time(benchmark::State& state) {
  loop_with_pool runner;
  std::vector<job> jobs(blocking_loop::at_a_time);
  for (auto _ : state) {
    for (int i = 0; i < blocking_loop::at_a_time; ++i) {
      jobs[i].number = i;
      uv_queue_work(&runner.loop, &jobs[i].request, run_job, [](uv_work_t*, int) {});
    }
    uv_run(&runner.loop, UV_RUN_DEFAULT);
    std::int64_t sum = 0;
    for (const auto& done : jobs) sum += done.answer;
    bench::require(sum == blocking_loop::expected_sum(blocking_loop::at_a_time), "sum of answers");
  }
  bench::count_items(state, blocking_loop::at_a_time);
}

void submit_until_done(uv_work_t* request, int) {
  auto* self = reinterpret_cast<job*>(request);
  if (self->answer == blocking_loop::round_trips) return;
  self->number = self->answer;
  uv_queue_work(request->loop, request, run_job, submit_until_done);
}

void one_at_a_time(benchmark::State& state) {
  loop_with_pool runner;
  for (auto _ : state) {
    job one{};
    uv_queue_work(&runner.loop, &one.request, run_job, submit_until_done);
    uv_run(&runner.loop, UV_RUN_DEFAULT);
    bench::require(one.answer == blocking_loop::round_trips, "number of round trips");
  }
  bench::count_items(state, blocking_loop::round_trips);
}

BENCHMARK(many_at_a_time)->Name("blocking/batch100")->Apply(bench::one_worker);
BENCHMARK(one_at_a_time)->Name("blocking/round_trip")->Apply(bench::one_worker);

}  // namespace
