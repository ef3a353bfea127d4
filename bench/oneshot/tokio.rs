use bench::{require, Config, State, Suite};
use tokio::sync::{mpsc, oneshot};

const CONFIG: Config = Config(include_str!("config.h"));

async fn one_round_trip(number: usize) -> usize {
    let (ping, from_ping) = oneshot::channel::<usize>();
    let (to_pong, pong) = oneshot::channel();
    tokio::spawn(async move {
        let number = from_ping.await.unwrap();
        to_pong.send(number + 1).unwrap();
    });
    ping.send(number).unwrap();
    pong.await.unwrap()
}

async fn ping_pong(mut state: State) -> State {
    let pairs = CONFIG.number("pairs");
    let mut handles = Vec::with_capacity(pairs);
    while state.keep_running() {
        handles.extend((0..pairs).map(|i| tokio::spawn(one_round_trip(i))));
        let mut sum = 0;
        for handle in handles.drain(..) {
            sum += handle.await.unwrap();
        }
        require(sum == pairs * (pairs + 1) / 2, "sum of the answers");
    }
    state.count_items(pairs);
    state
}

async fn request_reply(mut state: State) -> State {
    let wanted = CONFIG.number("requests");
    let (requests, mut served) =
        mpsc::channel::<(usize, oneshot::Sender<usize>)>(CONFIG.number("backlog"));
    let server = tokio::spawn(async move {
        while let Some((number, reply)) = served.recv().await {
            reply.send(number + 1).unwrap();
        }
    });
    while state.keep_running() {
        let mut number = 0;
        for _ in 0..wanted {
            let (reply, answer) = oneshot::channel();
            requests.send((number, reply)).await.unwrap();
            number = answer.await.unwrap();
        }
        require(number == wanted, "number of requests");
    }
    drop(requests);
    server.await.unwrap();
    state.count_items(wanted);
    state
}

pub fn main() {
    Suite::new()
        .add("oneshot/ping_pong", ping_pong)
        .add("oneshot/request_reply", request_reply)
        .main();
}
