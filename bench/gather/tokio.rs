//! tokio gathers with a JoinSet; its results come as they are ready, so each carries its place.

use bench::{require, Config, State, Suite};
use tokio::task::JoinSet;

const CONFIG: Config = Config(include_str!("config.h"));

async fn child(number: usize) -> (usize, usize) {
    tokio::task::yield_now().await;
    (number, number)
}

async fn gather_all(mut state: State) -> State {
    let children = CONFIG.number("children");
    while state.keep_running() {
        let mut set = JoinSet::new();
        for i in 0..children {
            set.spawn(child(i));
        }
        let mut numbers = vec![0; children];
        while let Some(ended) = set.join_next().await {
            let (place, number) = ended.unwrap();
            numbers[place] = number;
        }
        require(
            numbers.iter().sum::<usize>() == children * (children - 1) / 2,
            "sum of the children's numbers",
        );
    }
    state.count_items(children);
    state
}

pub fn main() {
    Suite::new().add("gather", gather_all).main();
}
