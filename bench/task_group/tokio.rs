//! A JoinSet is emptied by awaiting one child after the other, as they end.

use bench::{require, Config, State, Suite};
use tokio::task::JoinSet;

const CONFIG: Config = Config(include_str!("config.h"));

async fn child(number: usize) -> usize {
    number
}

async fn spawn_and_wait(mut state: State) -> State {
    let children = CONFIG.number("children");
    while state.keep_running() {
        let mut group = JoinSet::new();
        for number in 0..children {
            group.spawn(child(number));
        }
        let mut sum = 0;
        while let Some(number) = group.join_next().await {
            sum += number.unwrap();
        }
        require(sum == children * (children - 1) / 2, "sum of the children's numbers");
    }
    state.count_items(children);
    state
}

pub fn main() {
    Suite::new().add("task_group", spawn_and_wait).main();
}
