//! tokio has no fork-join of its own: every fork is a spawned task.

use std::future::Future;
use std::pin::Pin;

use bench::kernels::{safe, Board, Matrices, Product, QUEENS};
use bench::{require, Config, State, Suite};

const CONFIG: Config = Config(include_str!("config.h"));

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn fib(n: usize) -> Boxed<usize> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let first = tokio::spawn(fib(n - 1));
        let b = fib(n - 2).await;
        first.await.unwrap() + b
    })
}

fn skynet(from: usize, count: usize) -> Boxed<usize> {
    Box::pin(async move {
        if count == 1 {
            return from;
        }
        let step = count / 10;
        let children =
            [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|i| tokio::spawn(skynet(from + i * step, step)));
        let mut sum = skynet(from + 9 * step, step).await;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    })
}

fn queens(placed: Board, row: usize) -> Boxed<usize> {
    Box::pin(async move {
        if row == QUEENS {
            return 1;
        }
        let mut children = Vec::new();
        for column in (0..QUEENS).filter(|&column| safe(&placed, row, column)) {
            let mut next = placed;
            next[row] = column as u8;
            children.push(tokio::spawn(queens(next, row + 1)));
        }
        let mut solutions = 0;
        for child in children {
            solutions += child.await.unwrap();
        }
        solutions
    })
}

fn multiply(product: Product) -> Boxed<()> {
    Box::pin(async move {
        if product.is_block() {
            return product.multiply_block();
        }
        for [first, second, third, fourth] in product.quarters() {
            let children = [first, second, third].map(|each| tokio::spawn(multiply(each)));
            multiply(fourth).await;
            for child in children {
                child.await.unwrap();
            }
        }
    })
}

async fn run_queens(mut state: State) -> State {
    while state.keep_running() {
        let solutions = queens([0; QUEENS], 0).await;
        require(solutions == CONFIG.number("queens_result"), "number of solutions");
    }
    state.count_items(CONFIG.number("queens_tasks"));
    state
}

async fn run_matmul(mut state: State) -> State {
    while state.keep_running() {
        let mut matrices = Matrices::new();
        multiply(matrices.product()).await;
        require(matrices.right(), "product of the matrices");
    }
    state.count_items(CONFIG.number("block_products"));
    state
}

async fn run_fib(mut state: State) -> State {
    while state.keep_running() {
        let result = fib(CONFIG.number("fib_of")).await;
        require(result == CONFIG.number("fib_result"), "fib");
    }
    state.count_items(CONFIG.number("fib_calls"));
    state
}

async fn run_skynet(mut state: State) -> State {
    let leaves = CONFIG.number("leaves");
    while state.keep_running() {
        let result = skynet(0, leaves).await;
        require(result == leaves * (leaves - 1) / 2, "skynet sum");
    }
    state.count_items(CONFIG.number("nodes"));
    state
}

pub fn main() {
    Suite::new()
        .add("fork_join/fib32", run_fib)
        .add("fork_join/skynet1M", run_skynet)
        .add("fork_join/nqueens10", run_queens)
        .add("fork_join/matmul512", run_matmul)
        .main();
}
