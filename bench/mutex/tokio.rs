use std::sync::Arc;

use bench::{opaque, require, Config, State, Suite};
use tokio::sync::Mutex;

const CONFIG: Config = Config(include_str!("config.h"));

async fn lock_free_mutex(mut state: State) -> State {
    let locks = CONFIG.number("free_locks");
    let counter = Mutex::new(0);
    let mut before = 0;
    while state.keep_running() {
        for _ in 0..locks {
            let mut guard = counter.lock().await;
            *guard = opaque(*guard) + 1;
        }
        require(*counter.lock().await == before + locks, "guarded counter");
        before += locks;
    }
    state.count_items(locks);
    state
}

async fn take_turns(counter: Arc<Mutex<usize>>, locks: usize) {
    for _ in 0..locks {
        let mut guard = counter.lock().await;
        let before = *guard;
        tokio::task::yield_now().await;
        *guard = before + 1;
    }
}

async fn lock_contended_mutex(mut state: State) -> State {
    let (tasks, each) = (CONFIG.number("tasks"), CONFIG.number("locks_each"));
    while state.keep_running() {
        let counter = Arc::new(Mutex::new(0));
        let handles: Vec<_> =
            (0..tasks).map(|_| tokio::spawn(take_turns(counter.clone(), each))).collect();
        for handle in handles {
            handle.await.unwrap();
        }
        require(*counter.lock().await == tasks * each, "guarded counter");
    }
    state.count_items(tasks * each);
    state
}

pub fn main() {
    Suite::new()
        .add("mutex/free", lock_free_mutex)
        .add("mutex/contended", lock_contended_mutex)
        .main();
}
