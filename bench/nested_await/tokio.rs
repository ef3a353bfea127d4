//! A future that is awaited where it is made becomes part of its parent, so the loop costs Rust
//! next to nothing. The deep chain is missing: Rust polls it recursively, which overflows the
//! stack.

use bench::{opaque, require, Config, State, Suite};

const CONFIG: Config = Config(include_str!("config.h"));

async fn child(number: usize) -> usize {
    opaque(number)
}

async fn await_in_a_loop(mut state: State) -> State {
    let awaits = CONFIG.number("awaits");
    while state.keep_running() {
        let mut sum = 0;
        for i in 0..awaits {
            sum += child(i).await;
        }
        require(sum == awaits * (awaits - 1) / 2, "sum of the children's numbers");
    }
    state.count_items(awaits);
    state
}

pub fn main() {
    Suite::new().add("nested_await/loop", await_in_a_loop).main();
}
