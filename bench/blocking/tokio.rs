use bench::{require, Config, State, Suite};
use tokio::task::spawn_blocking;

const CONFIG: Config = Config(include_str!("config.h"));

async fn offload(number: usize) -> usize {
    spawn_blocking(move || number + 1).await.unwrap()
}

async fn many_at_a_time(mut state: State) -> State {
    let jobs = CONFIG.number("at_a_time");
    let mut handles = Vec::with_capacity(jobs);
    while state.keep_running() {
        handles.extend((0..jobs).map(|i| tokio::spawn(offload(i))));
        let mut sum = 0;
        for handle in handles.drain(..) {
            sum += handle.await.unwrap();
        }
        require(sum == jobs * (jobs + 1) / 2, "sum of answers");
    }
    state.count_items(jobs);
    state
}

async fn one_at_a_time(mut state: State) -> State {
    let trips = CONFIG.number("round_trips");
    while state.keep_running() {
        let mut number = 0;
        for _ in 0..trips {
            number = offload(number).await;
        }
        require(number == trips, "number of round trips");
    }
    state.count_items(trips);
    state
}

pub fn main() {
    Suite::new()
        .blocking_threads(CONFIG.number("pool_threads"))
        .add("blocking/batch100", many_at_a_time)
        .add("blocking/round_trip", one_at_a_time)
        .main();
}
