//! The frame of a tokio server under measurement: arguments, SIGTERM, the closing line; as
//! support/server.h has it for C and C++.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::signal::unix::{signal, SignalKind};

static TOTAL: AtomicU64 = AtomicU64::new(0);

/// Requests answered by one connection, added to the total when it ends, however it ends.
#[derive(Default)]
pub struct Answered(pub u64);

impl Drop for Answered {
    fn drop(&mut self) {
        TOTAL.fetch_add(self.0, Ordering::Relaxed);
    }
}

struct Arguments {
    address: std::net::SocketAddr,
    workers: usize,
}

fn parse_arguments() -> Arguments {
    let mut parsed = Arguments { address: "127.0.0.1:0".parse().unwrap(), workers: 1 };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        let value = pair.get(1);
        match (pair[0].as_str(), value.map(|text| (text.parse(), text.parse()))) {
            ("--listen", Some((Ok(address), _))) => parsed.address = address,
            ("--workers", Some((_, Ok(workers)))) if workers > 0 => parsed.workers = workers,
            _ => {
                eprintln!("usage: [--listen IP:PORT] [--workers N]");
                std::process::exit(2);
            }
        }
    }
    parsed
}

fn raise_descriptor_limit() {
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

async fn accept_all<F, Serve>(listener: TcpListener, serve: F)
where
    F: Fn(TcpStream) -> Serve + Copy,
    Serve: Future<Output = ()> + Send + 'static,
{
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(stream));
        }
    }
}

/// Serves until SIGTERM or SIGINT. One worker is tokio's current_thread runtime. `beside` runs in a
/// task of its own.
pub fn run<F, Serve, Beside>(serve: F, beside: Beside)
where
    F: Fn(TcpStream) -> Serve + Copy + Send + 'static,
    Serve: Future<Output = ()> + Send + 'static,
    Beside: Future<Output = ()> + Send + 'static,
{
    let arguments = parse_arguments();
    raise_descriptor_limit();
    let mut builder = if arguments.workers > 1 {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    let runtime = builder.worker_threads(arguments.workers).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let mut interrupt = signal(SignalKind::interrupt()).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(arguments.address).unwrap();
        let listener = socket.listen(4096).unwrap();
        println!("listening on {}", listener.local_addr().unwrap());
        tokio::spawn(accept_all(listener, serve));
        tokio::spawn(beside);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    drop(runtime); // ends the connections, which add up what they answered
    let cpu_ns = (super::process_cpu_seconds() * 1e9) as u64;
    println!("cpu_ns={} messages={}", cpu_ns, TOTAL.load(Ordering::Relaxed));
}
