use std::time::Duration;

use bench::{opaque, process_cpu_seconds, require, resident_bytes, Config, State, Suite};
use tokio::time::{sleep_until, timeout, Instant};

const CONFIG: Config = Config(include_str!("config.h"));

async fn guard_yields(count: usize, limit: Duration) -> usize {
    let mut in_time = 0;
    for _ in 0..count {
        in_time += timeout(limit, tokio::task::yield_now()).await.is_ok() as usize;
    }
    in_time
}

async fn arm_and_cancel(mut state: State) -> State {
    let (tasks, each) = (CONFIG.number("tasks"), CONFIG.number("timeouts_each"));
    let limit = Duration::from_secs(CONFIG.number("timeout") as u64);
    while state.keep_running() {
        let handles: Vec<_> = (0..tasks).map(|_| tokio::spawn(guard_yields(each, limit))).collect();
        for handle in handles {
            require(handle.await.unwrap() == each, "number of time-outs");
        }
    }
    state.count_items(tasks * each);
    state
}

async fn guard_what_is_ready(mut state: State) -> State {
    let count = CONFIG.number("ready_timeouts");
    let limit = Duration::from_secs(CONFIG.number("timeout") as u64);
    while state.keep_running() {
        let mut sum = 0;
        for _ in 0..count {
            sum += timeout(limit, async { opaque(1) }).await.unwrap();
        }
        require(sum == count, "number of time-outs");
    }
    state.count_items(count);
    state
}

async fn sleep_together(mut state: State) -> State {
    let sleepers = CONFIG.number("sleepers");
    let arming = Duration::from_secs(CONFIG.number("arming") as u64);
    let stride = CONFIG.number("stride");
    while state.keep_running() {
        let mut handles = Vec::with_capacity(sleepers);
        let resident = resident_bytes();
        let cpu = process_cpu_seconds();
        let started = Instant::now();
        for i in 0..sleepers {
            let wakes_after = arming + Duration::from_micros((i * stride % sleepers) as u64);
            handles.push(tokio::spawn(sleep_until(started + wakes_after)));
        }
        sleep_until(started + arming - Duration::from_millis(100)).await;
        require(started.elapsed() < arming, "all sleepers armed before the first wakes");
        let bytes = resident_bytes() - resident;
        for handle in handles {
            handle.await.unwrap();
        }
        let cpu_ns = (process_cpu_seconds() - cpu) * 1e9;
        state.counter("bytes_per_item", bytes / sleepers as f64);
        state.counter("cpu_ns_per_item", cpu_ns / sleepers as f64);
    }
    state
}

pub fn main() {
    Suite::new()
        .add("timer/arm_cancel", arm_and_cancel)
        .add("timer/ready", guard_what_is_ready)
        .add("timer/sleepers1M", sleep_together)
        .main();
}
