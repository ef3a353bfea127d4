use std::sync::Arc;

use bench::{opaque, require, Config, State, Suite};
use tokio::sync::RwLock;

const CONFIG: Config = Config(include_str!("config.h"));

async fn read_alone(mut state: State) -> State {
    let locks = CONFIG.number("free_locks");
    let value = RwLock::new(1);
    while state.keep_running() {
        let mut sum = 0;
        for _ in 0..locks {
            sum += opaque(*value.read().await);
        }
        require(sum == locks, "number of reads");
    }
    state.count_items(locks);
    state
}

async fn read_and_write(counter: Arc<RwLock<usize>>, locks: usize, write_every: usize) {
    for i in 0..locks {
        if i % write_every == 0 {
            let mut guard = counter.write().await;
            let before = *guard;
            tokio::task::yield_now().await;
            *guard = before + 1;
        } else {
            let guard = counter.read().await;
            let before = opaque(*guard);
            tokio::task::yield_now().await;
            require(opaque(*guard) == before, "nobody writes while others read");
        }
    }
}

async fn contended(mut state: State) -> State {
    let (tasks, each) = (CONFIG.number("tasks"), CONFIG.number("locks_each"));
    let write_every = CONFIG.number("write_every");
    while state.keep_running() {
        let counter = Arc::new(RwLock::new(0));
        let handles: Vec<_> = (0..tasks)
            .map(|_| tokio::spawn(read_and_write(counter.clone(), each, write_every)))
            .collect();
        for handle in handles {
            handle.await.unwrap();
        }
        require(*counter.read().await == tasks * each / write_every, "number of writes");
    }
    state.count_items(tasks * each);
    state
}

pub fn main() {
    Suite::new().add("rwlock/read", read_alone).add("rwlock/contended", contended).main();
}
