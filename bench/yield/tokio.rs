use bench::{require, Config, State, Suite};

const CONFIG: Config = Config(include_str!("config.h"));

async fn yielder(wanted: usize) -> usize {
    let mut yields = 0;
    while yields < wanted {
        tokio::task::yield_now().await;
        yields += 1;
    }
    yields
}

async fn yield_in_turn(mut state: State, tasks: usize) -> State {
    let each = CONFIG.number("all_yields") / tasks;
    let mut handles = Vec::with_capacity(tasks);
    while state.keep_running() {
        handles.extend((0..tasks).map(|_| tokio::spawn(yielder(each))));
        let mut yields = 0;
        for handle in handles.drain(..) {
            yields += handle.await.unwrap();
        }
        require(yields == each * tasks, "number of yields");
    }
    state.count_items(each * tasks);
    state
}

pub fn main() {
    let mut suite = Suite::new();
    for tasks in CONFIG.numbers("task_counts") {
        suite = suite.add(format!("yield/tasks:{tasks}"), move |state| yield_in_turn(state, tasks));
    }
    suite.main();
}
