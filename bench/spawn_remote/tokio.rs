use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::time::{Duration, Instant};

use bench::{main_of, worker_counts, Config, Entry, State};
use tokio::runtime::{Builder, Runtime};

const CONFIG: Config = Config(include_str!("config.h"));

fn spawn_and_join(state: &mut State, runtime: &Runtime) {
    let tasks = CONFIG.number("tasks");
    let mut handles = Vec::with_capacity(tasks);
    while state.keep_running() {
        handles.extend((0..tasks).map(|_| runtime.spawn(async {})));
        runtime.block_on(async {
            for handle in handles.drain(..) {
                handle.await.unwrap();
            }
        });
    }
    state.count_items(tasks);
}

fn idle(mut state: State, runtime: &Runtime) -> State {
    spawn_and_join(&mut state, runtime);
    state
}

async fn stay_busy(stop: Arc<AtomicBool>, length: Duration) {
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        while started.elapsed() < length {}
        tokio::task::yield_now().await;
    }
}

fn busy(mut state: State, runtime: &Runtime) -> State {
    let stop = Arc::new(AtomicBool::new(false));
    let length = Duration::from_micros(CONFIG.number("busy_us") as u64);
    let hogs: Vec<_> = (0..CONFIG.number("busy_tasks"))
        .map(|_| runtime.spawn(stay_busy(stop.clone(), length)))
        .collect();
    spawn_and_join(&mut state, runtime);
    stop.store(true, Ordering::Relaxed);
    for hog in hogs {
        runtime.block_on(hog).unwrap();
    }
    state
}

fn start_successor(left: usize, done: mpsc::SyncSender<()>) {
    tokio::spawn(async move {
        if left == 0 {
            done.send(()).unwrap();
        } else {
            start_successor(left - 1, done);
        }
    });
}

fn chain(mut state: State, runtime: &Runtime) -> State {
    let length = CONFIG.number("chain");
    let (done, ended) = mpsc::sync_channel(1);
    while state.keep_running() {
        let done = done.clone();
        runtime.spawn(async move { start_successor(length - 1, done) });
        ended.recv().unwrap();
    }
    state.count_items(length);
    state
}

/// The multi_thread runtime in both flavours: current_thread needs its thread to be in block_on.
fn on_threads(name: &str, workers: usize, run: fn(State, &Runtime) -> State) -> Entry {
    let contender = if workers == 1 { "tokio_mt" } else { "tokio" };
    Entry::new(name, workers, contender, move |state| {
        run(
            state,
            &Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap(),
        )
    })
}

pub fn main() {
    let entries = worker_counts().into_iter().flat_map(|workers| {
        [
            on_threads("spawn_remote/idle", workers, idle),
            on_threads("spawn_remote/busy", workers, busy),
            on_threads("spawn_remote/chain", workers, chain),
        ]
    });
    main_of(entries.collect());
}
