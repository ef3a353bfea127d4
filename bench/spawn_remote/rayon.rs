//! A thread that is no worker opens a scope in the pool, which injects closures and joins them.
//! `busy` is missing: a closure cannot yield, only spawn its continuation, which goes to the deque
//! of its worker; and a worker looks at what was injected only when its own deque is empty.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use bench::{main_of, require, worker_counts, Config, Entry, State};
use rayon::{ThreadPool, ThreadPoolBuilder};

const CONFIG: Config = Config(include_str!("config.h"));

fn idle(mut state: State, pool: &ThreadPool) -> State {
    let tasks = CONFIG.number("tasks");
    while state.keep_running() {
        let ended = AtomicUsize::new(0);
        pool.in_place_scope(|scope| {
            for _ in 0..tasks {
                scope.spawn(|_| {
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        require(ended.into_inner() == tasks, "number of tasks that ended");
    }
    state.count_items(tasks);
    state
}

fn successor(left: usize, done: mpsc::SyncSender<()>) {
    if left == 0 {
        done.send(()).unwrap();
    } else {
        rayon::spawn(move || successor(left - 1, done));
    }
}

fn chain(mut state: State, pool: &ThreadPool) -> State {
    let length = CONFIG.number("chain");
    let (done, ended) = mpsc::sync_channel(1);
    while state.keep_running() {
        let done = done.clone();
        pool.spawn(move || successor(length, done));
        ended.recv().unwrap();
    }
    state.count_items(length);
    state
}

fn beside_pool(name: &str, workers: usize, run: fn(State, &ThreadPool) -> State) -> Entry {
    Entry::new(name, workers, "rayon", move |state| {
        run(state, &ThreadPoolBuilder::new().num_threads(workers).build().unwrap())
    })
}

pub fn main() {
    let entries = worker_counts().into_iter().flat_map(|workers| {
        [
            beside_pool("spawn_remote/idle", workers, idle),
            beside_pool("spawn_remote/chain", workers, chain),
        ]
    });
    main_of(entries.collect());
}
