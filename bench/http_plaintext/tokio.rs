//! The bare stream, with the scanner that all contenders share.

use bench::server::{self, Answered};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HTTP_BUFFER: usize = 4096;
const PIPELINED_MAX: usize = 256;
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";

/// config.h's count_requests.
fn count_requests(matched: &mut usize, input: &[u8]) -> usize {
    let mut requests = 0;
    for &byte in input {
        if byte != b"\r\n\r\n"[*matched] {
            *matched = (byte == b'\r') as usize;
            continue;
        }
        *matched += 1;
        if *matched == 4 {
            *matched = 0;
            requests += 1;
        }
    }
    requests
}

async fn answer(mut stream: TcpStream, responses: &'static [u8]) {
    let mut messages = Answered::default();
    let mut buffer = [0; HTTP_BUFFER];
    let mut matched = 0;
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let requests = count_requests(&mut matched, &buffer[..count]);
        if requests == 0 {
            continue;
        }
        if stream.write_all(&responses[..requests * RESPONSE.len()]).await.is_err() {
            break;
        }
        messages.0 += requests as u64;
    }
}

pub fn main() {
    let responses: &'static [u8] = Box::leak(RESPONSE.repeat(PIPELINED_MAX).into_boxed_slice());
    server::run(move |stream| answer(stream, responses), async {});
}
