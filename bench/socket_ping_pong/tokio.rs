use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use bench::{main_of, require, Config, Entry, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

const CONFIG: Config = Config(include_str!("config.h"));
static SERVED: AtomicUsize = AtomicUsize::new(0);

async fn answer(mut stream: TcpStream, reply: Vec<u8>) {
    let mut buffer = [0; 4096];
    while let Ok(size) = stream.read(&mut buffer).await {
        if size == 0 {
            break;
        }
        SERVED.fetch_add(1, Ordering::Relaxed);
        stream.write_all(&reply).await.unwrap();
    }
}

async fn accept_all(listener: TcpListener) {
    let reply = vec![0; CONFIG.number("answer_bytes")];
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(answer(stream, reply.clone()));
    }
}

async fn ask(server: SocketAddr, requests: usize) {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = vec![0; CONFIG.number("request_bytes")];
    let expected = CONFIG.number("answer_bytes");
    let mut buffer = [0; 4096];
    for _ in 0..requests {
        stream.write_all(&request).await.unwrap();
        require(stream.read(&mut buffer).await.unwrap() == expected, "size of the answer");
    }
}

async fn ask_on_all(mut state: State, server: SocketAddr) -> State {
    let (connections, requests) = (CONFIG.number("connections"), CONFIG.number("requests"));
    while state.keep_running() {
        SERVED.store(0, Ordering::Relaxed);
        let handles: Vec<_> =
            (0..connections).map(|_| tokio::spawn(ask(server, requests / connections))).collect();
        for handle in handles {
            handle.await.unwrap();
        }
        require(SERVED.load(Ordering::Relaxed) == requests, "number of requests served");
    }
    state.count_items(requests);
    state
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn ping_pong(state: State) -> State {
    let (listening, address) = mpsc::channel();
    let (end, ended) = oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        one_thread().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listening.send(listener.local_addr().unwrap()).unwrap();
            tokio::spawn(accept_all(listener));
            ended.await.unwrap();
        })
    });
    let address = address.recv().unwrap();
    let state = one_thread().block_on(ask_on_all(state, address));
    end.send(()).unwrap();
    server.join().unwrap();
    state
}

pub fn main() {
    main_of(vec![Entry::new("socket_ping_pong", 2, "tokio", ping_pong)]);
}
