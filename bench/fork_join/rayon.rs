//! What Rust programs use for fork-join: closures, not tasks that can wait.

use bench::kernels::{safe, Board, Matrices, Product, QUEENS};
use bench::{main_of, require, worker_counts, Config, Entry, State};

const CONFIG: Config = Config(include_str!("config.h"));

fn fib(n: usize) -> usize {
    if n < 2 {
        return n;
    }
    let (a, b) = rayon::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

fn skynet(from: usize, count: usize) -> usize {
    if count == 1 {
        return from;
    }
    let step = count / 10;
    let mut parts = [0; 9];
    let mut last = 0;
    rayon::scope(|scope| {
        for (i, part) in parts.iter_mut().enumerate() {
            scope.spawn(move |_| *part = skynet(from + i * step, step));
        }
        last = skynet(from + 9 * step, step);
    });
    parts.iter().sum::<usize>() + last
}

fn queens(placed: Board, row: usize) -> usize {
    if row == QUEENS {
        return 1;
    }
    let mut solutions = [0; QUEENS];
    rayon::scope(|scope| {
        for (column, slot) in solutions.iter_mut().enumerate() {
            if safe(&placed, row, column) {
                let mut next = placed;
                next[row] = column as u8;
                scope.spawn(move |_| *slot = queens(next, row + 1));
            }
        }
    });
    solutions.iter().sum()
}

fn multiply(product: Product) {
    if product.is_block() {
        return product.multiply_block();
    }
    for [first, second, third, fourth] in product.quarters() {
        rayon::join(
            || rayon::join(|| multiply(first), || multiply(second)),
            || rayon::join(|| multiply(third), || multiply(fourth)),
        );
    }
}

fn run_queens(mut state: State) -> State {
    while state.keep_running() {
        require(queens([0; QUEENS], 0) == CONFIG.number("queens_result"), "number of solutions");
    }
    state.count_items(CONFIG.number("queens_tasks"));
    state
}

fn run_matmul(mut state: State) -> State {
    while state.keep_running() {
        let mut matrices = Matrices::new();
        multiply(matrices.product());
        require(matrices.right(), "product of the matrices");
    }
    state.count_items(CONFIG.number("block_products"));
    state
}

fn run_fib(mut state: State) -> State {
    while state.keep_running() {
        require(fib(CONFIG.number("fib_of")) == CONFIG.number("fib_result"), "fib");
    }
    state.count_items(CONFIG.number("fib_calls"));
    state
}

fn run_skynet(mut state: State) -> State {
    let leaves = CONFIG.number("leaves");
    while state.keep_running() {
        require(skynet(0, leaves) == leaves * (leaves - 1) / 2, "skynet sum");
    }
    state.count_items(CONFIG.number("nodes"));
    state
}

fn in_pool(workers: usize, name: &str, run: fn(State) -> State) -> Entry {
    Entry::new(name, workers, "rayon", move |state| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build().unwrap();
        pool.install(|| run(state))
    })
}

pub fn main() {
    let entries = worker_counts().into_iter().flat_map(|workers| {
        [
            in_pool(workers, "fork_join/fib32", run_fib),
            in_pool(workers, "fork_join/skynet1M", run_skynet),
            in_pool(workers, "fork_join/nqueens10", run_queens),
            in_pool(workers, "fork_join/matmul512", run_matmul),
        ]
    });
    main_of(entries.collect());
}
