use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use bench::{require, Config, State, Suite};
use tokio::sync::Notify;

const CONFIG: Config = Config(include_str!("config.h"));

#[derive(Default)]
struct Round {
    bell: Notify,
    waiting: AtomicUsize,
}

async fn wait_often(shared: Arc<Round>, times: usize) {
    for _ in 0..times {
        let notified = shared.bell.notified();
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        notified.await;
    }
}

async fn fan_out(mut state: State, waiters: usize) -> State {
    let rounds = CONFIG.number("wakeups") / waiters;
    while state.keep_running() {
        let shared = Arc::new(Round::default());
        let handles: Vec<_> =
            (0..waiters).map(|_| tokio::spawn(wait_often(shared.clone(), rounds))).collect();
        for handle in handles {
            while !handle.is_finished() {
                shared.bell.notify_waiters();
                tokio::task::yield_now().await;
            }
            handle.await.unwrap();
        }
        require(shared.waiting.load(Ordering::SeqCst) == rounds * waiters, "number of waits");
    }
    state.count_items(rounds * waiters);
    state
}

pub fn main() {
    let mut suite = Suite::new();
    for waiters in CONFIG.numbers("waiter_counts") {
        suite =
            suite.add(format!("notify/waiters:{waiters}"), move |state| fan_out(state, waiters));
    }
    suite.main();
}
