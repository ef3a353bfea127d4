//! A scope; a child is a closure that runs to its end, not a task that can wait.

use bench::{main_of, require, worker_counts, Config, Entry, State};

const CONFIG: Config = Config(include_str!("config.h"));

fn spawn_and_wait(mut state: State) -> State {
    let children = CONFIG.number("children");
    let mut ended = vec![0; children];
    let mut expected = 0;
    while state.keep_running() {
        rayon::scope(|scope| {
            for mine in &mut ended {
                scope.spawn(move |_| *mine += 1);
            }
        });
        expected += children;
        require(ended.iter().sum::<usize>() == expected, "number of children that ended");
    }
    state.count_items(children);
    state
}

fn in_pool(workers: usize) -> Entry {
    Entry::new("task_group", workers, "rayon", move |state| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build().unwrap();
        pool.install(|| spawn_and_wait(state))
    })
}

pub fn main() {
    main_of(worker_counts().into_iter().map(in_pool).collect());
}
