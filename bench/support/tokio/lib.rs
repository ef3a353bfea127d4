//! What the tokio programs share: the sizes of a workload, the timing loop, one line a result.
//!
//! README.md ("Add a contender") describes the command line and the output, which the Go and
//! Python programs share.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

pub mod kernels;
pub mod server;

/// The constants of a workload, read from the config.h that the C++ programs include.
#[derive(Clone, Copy)]
pub struct Config(pub &'static str);

impl Config {
    pub fn number(self, name: &str) -> usize {
        self.numbers(name)[0]
    }

    /// `NAME = 1'000;` or `NAME{1};` or `NAME[] = {10, 100};`. Only literals.
    pub fn numbers(self, name: &str) -> Vec<usize> {
        let stated = self.0.lines().find_map(|line| {
            let code = line.split("//").next()?;
            let at = code.find(&format!(" {name}"))? + 1;
            let rest = code[at + name.len()..].replace(&[' ', '[', ']', '\''][..], "");
            let value = rest.trim_start_matches(&['=', '{'][..]);
            let starts =
                value.len() < rest.len() && value.starts_with(|c: char| c.is_ascii_digit());
            starts.then(|| value.to_owned())
        });
        let text = stated.unwrap_or_else(|| panic!("config.h has no {name}"));
        let words = text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        words.map(|word| word.parse().unwrap()).collect()
    }
}

/// A benchmark whose result is wrong has measured something else: it stops the program.
pub fn require(holds: bool, what: &str) {
    if !holds {
        eprintln!("wrong result: {what}");
        std::process::abort();
    }
}

/// Hides a value from the optimizer.
pub fn opaque<T: Copy>(value: T) -> T {
    unsafe { std::ptr::read_volatile(&value) }
}

/// The timing loop of one benchmark: `while state.keep_running() { one iteration }`.
pub struct State {
    warmup: Duration,
    min_time: Duration,
    warming: bool,
    started: Instant,
    cpu_started: f64,
    iterations: u64,
    entered: bool,
    seconds: f64,
    cpu_seconds: f64,
    items: usize,
    counters: Vec<(&'static str, f64)>,
}

impl State {
    fn new(min_time: Duration) -> State {
        State {
            warmup: min_time / 3,
            min_time,
            warming: true,
            started: Instant::now(),
            cpu_started: 0.0,
            iterations: 0,
            entered: false,
            seconds: 0.0,
            cpu_seconds: 0.0,
            items: 0,
            counters: Vec::new(),
        }
    }

    /// Warms up, then measures. An iteration longer than the minimum is not repeated.
    pub fn keep_running(&mut self) -> bool {
        if !self.entered {
            self.entered = true;
            self.restart();
            return true;
        }
        self.iterations += 1;
        let passed = self.started.elapsed();
        if self.warming && passed < self.min_time {
            if passed >= self.warmup {
                self.warming = false;
                self.restart();
            }
            return true;
        }
        if passed < self.min_time {
            return true;
        }
        self.seconds = passed.as_secs_f64();
        self.cpu_seconds = process_cpu_seconds() - self.cpu_started;
        false
    }

    pub fn count_items(&mut self, items_per_iteration: usize) {
        self.items = items_per_iteration;
    }

    pub fn counter(&mut self, name: &'static str, value: f64) {
        self.counters.push((name, value));
    }

    fn restart(&mut self) {
        self.iterations = 0;
        self.cpu_started = process_cpu_seconds();
        self.started = Instant::now();
    }

    fn print(&self, benchmark: &str, contender: &str) {
        let mut line = format!("{{\"benchmark\": \"{benchmark}\", \"contender\": \"{contender}\"");
        if self.items > 0 {
            line += &format!(
                ", \"items\": {}, \"iterations\": {}, \"seconds\": {:.9}, \"cpu_seconds\": {:.9}",
                self.items, self.iterations, self.seconds, self.cpu_seconds
            );
        }
        for (name, value) in &self.counters {
            line += &format!(", \"{name}\": {value:.3}");
        }
        println!("{line}}}");
    }
}

pub fn process_cpu_seconds() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

pub fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as f64
}

/// One line of `--list`: a benchmark as one contender runs it.
pub struct Entry {
    name: String,
    contender: &'static str,
    run: Box<dyn Fn(State) -> State>,
}

impl Entry {
    pub fn new(
        name: &str,
        workers: usize,
        contender: &'static str,
        run: impl Fn(State) -> State + 'static,
    ) -> Entry {
        Entry { name: format!("{name}/workers:{workers}"), contender, run: Box::new(run) }
    }
}

/// Does what the command line asks for.
pub fn main_of(entries: Vec<Entry>) {
    let mut wanted: Option<String> = None;
    let mut min_time = 0.3;
    let mut list = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        match option.as_str() {
            "--list" => list = true,
            "--run" => wanted = arguments.next(),
            "--min-time" => {
                min_time = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(min_time)
            }
            _ => {
                eprintln!("usage: --list | [--run 'NAME CONTENDER,...'] [--min-time S]");
                std::process::exit(2);
            }
        }
    }
    for Entry { name, contender, run } in entries {
        let line = format!("{name} {contender}");
        if list {
            println!("{line}");
        } else if wanted.as_ref().map_or(true, |names| names.split(',').any(|one| one == line)) {
            run(State::new(Duration::from_secs_f64(min_time))).print(&name, contender);
        }
    }
}

/// 1, 2, 4 and so on, up to the number of CPUs, at least to 2.
pub fn worker_counts() -> Vec<usize> {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    (0..).map(|i| 1 << i).take_while(|workers| *workers <= cpus.max(2)).collect()
}

/// tokio is the current_thread runtime with one worker and multi_thread with more; tokio_mt is
/// multi_thread with one.
fn flavours() -> Vec<(&'static str, usize)> {
    let counts = worker_counts().into_iter().map(|workers| ("tokio", workers));
    counts.chain([("tokio_mt", 1)]).collect()
}

type Body = dyn Fn(State) -> Pin<Box<dyn Future<Output = State> + Send>>;

/// The benchmarks of a program, each a coroutine that runs on a fresh runtime.
#[derive(Default)]
pub struct Suite {
    entries: Vec<Entry>,
    blocking_threads: Option<usize>,
}

impl Suite {
    pub fn new() -> Suite {
        Suite::default()
    }

    /// Of the benchmarks added after it.
    pub fn blocking_threads(mut self, threads: usize) -> Suite {
        self.blocking_threads = Some(threads);
        self
    }

    pub fn add<F, Run>(mut self, name: impl AsRef<str>, body: F) -> Suite
    where
        F: Fn(State) -> Run + 'static,
        Run: Future<Output = State> + Send + 'static,
    {
        let body: Rc<Body> = Rc::new(move |state| Box::pin(body(state)));
        let blocking_threads = self.blocking_threads;
        for (contender, workers) in flavours() {
            let body = body.clone();
            self.entries.push(Entry::new(name.as_ref(), workers, contender, move |state| {
                let runtime = make_runtime(contender, workers, blocking_threads);
                runtime.block_on(runtime.spawn(body(state))).unwrap()
            }));
        }
        self
    }

    pub fn main(self) {
        main_of(self.entries);
    }
}

fn make_runtime(contender: &str, workers: usize, blocking_threads: Option<usize>) -> Runtime {
    let one_thread = contender == "tokio" && workers == 1;
    let mut builder =
        if one_thread { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if let Some(threads) = blocking_threads {
        builder.max_blocking_threads(threads);
    }
    builder.worker_threads(workers).enable_all().build().unwrap()
}
