use bench::{require, Config, State, Suite};

const CONFIG: Config = Config(include_str!("config.h"));

async fn child(number: usize) -> usize {
    number
}

async fn spawn_and_join(mut state: State, tasks: usize) -> State {
    let mut handles = Vec::with_capacity(tasks);
    while state.keep_running() {
        for i in 0..tasks {
            handles.push(tokio::spawn(child(i)));
        }
        let mut sum = 0;
        for handle in handles.drain(..) {
            sum += handle.await.unwrap();
        }
        require(sum == tasks * (tasks - 1) / 2, "sum of the tasks' numbers");
    }
    state.count_items(tasks);
    state
}

pub fn main() {
    let mut suite = Suite::new();
    for tasks in CONFIG.numbers("task_counts") {
        suite = suite
            .add(format!("spawn_join/tasks:{tasks}"), move |state| spawn_and_join(state, tasks));
    }
    suite.main();
}
