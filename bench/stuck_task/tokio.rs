use std::time::{Duration, Instant};

use bench::server::{self, Answered};
use bench::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONFIG: Config = Config(include_str!("config.h"));

async fn echo(mut stream: TcpStream) {
    let mut messages = Answered::default();
    let mut buffer = vec![0; CONFIG.number("echo_buffer")];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 || stream.write_all(&buffer[..count]).await.is_err() {
            break;
        }
        messages.0 += 1;
    }
}

async fn hog() {
    let length = Duration::from_millis(CONFIG.number("busy_ms") as u64);
    loop {
        let started = Instant::now();
        while started.elapsed() < length {}
        tokio::task::yield_now().await;
    }
}

pub fn main() {
    server::run(echo, hog());
}
