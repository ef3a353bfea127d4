use std::sync::Arc;

use bench::{require, Config, State, Suite};
use tokio::sync::Semaphore;

const CONFIG: Config = Config(include_str!("config.h"));

async fn acquire_free(mut state: State) -> State {
    let (acquires, permits) = (CONFIG.number("free_acquires"), CONFIG.number("permits"));
    let semaphore = Semaphore::new(permits);
    while state.keep_running() {
        for _ in 0..acquires {
            let _permit = semaphore.acquire().await.unwrap();
        }
        require(semaphore.available_permits() == permits, "permits given back");
    }
    state.count_items(acquires);
    state
}

async fn take_turns(semaphore: Arc<Semaphore>, acquires: usize) {
    for _ in 0..acquires {
        let _permit = semaphore.acquire().await.unwrap();
        tokio::task::yield_now().await;
    }
}

async fn acquire_contended(mut state: State) -> State {
    let (tasks, each) = (CONFIG.number("tasks"), CONFIG.number("acquires_each"));
    let permits = CONFIG.number("permits");
    let semaphore = Arc::new(Semaphore::new(permits));
    while state.keep_running() {
        let handles: Vec<_> =
            (0..tasks).map(|_| tokio::spawn(take_turns(semaphore.clone(), each))).collect();
        for handle in handles {
            handle.await.unwrap();
        }
        require(semaphore.available_permits() == permits, "permits given back");
    }
    state.count_items(tasks * each);
    state
}

pub fn main() {
    Suite::new()
        .add("semaphore/free", acquire_free)
        .add("semaphore/contended", acquire_contended)
        .main();
}
