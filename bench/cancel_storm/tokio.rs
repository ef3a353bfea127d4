use std::time::Duration;

use bench::{require, Config, State, Suite};

const CONFIG: Config = Config(include_str!("config.h"));

async fn cancel_all(mut state: State) -> State {
    let tasks = CONFIG.number("tasks");
    while state.keep_running() {
        let handles: Vec<_> = (0..tasks)
            .map(|_| tokio::spawn(tokio::time::sleep(Duration::from_secs(3600))))
            .collect();
        tokio::task::yield_now().await; // all sleep now
        for handle in &handles {
            handle.abort();
        }
        let mut cancelled = 0;
        for handle in handles {
            cancelled += handle.await.unwrap_err().is_cancelled() as usize;
        }
        require(cancelled == tasks, "number of cancelled tasks");
    }
    state.count_items(tasks);
    state
}

pub fn main() {
    Suite::new().add("cancel_storm", cancel_all).main();
}
