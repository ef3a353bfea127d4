//! ping_pong over tokio's own mpsc. tokio has no channel with many receivers; async-channel is the
//! usual choice for it.

use bench::{require, Config, State, Suite};
use tokio::sync::mpsc;

const CONFIG: Config = Config(include_str!("config.h"));

async fn answer(mut from: mpsc::Receiver<usize>, to: mpsc::Sender<usize>) {
    while let Some(number) = from.recv().await {
        to.send(number + 1).await.unwrap();
    }
}

async fn ping_pong(mut state: State) -> State {
    let rounds = CONFIG.number("rounds");
    let (ping, from_ping) = mpsc::channel(1);
    let (to_pong, mut pong) = mpsc::channel(1);
    let peer = tokio::spawn(answer(from_ping, to_pong));
    while state.keep_running() {
        let mut number = 0;
        for _ in 0..rounds {
            ping.send(number).await.unwrap();
            number = pong.recv().await.unwrap();
        }
        require(number == rounds, "number of round trips");
    }
    drop(ping);
    peer.await.unwrap();
    state.count_items(rounds);
    state
}

async fn produce(to: async_channel::Sender<usize>, first: usize, count: usize) {
    for i in 0..count {
        to.send(first + i).await.unwrap();
    }
}

async fn consume(from: async_channel::Receiver<usize>, count: usize) -> usize {
    let mut sum = 0;
    for _ in 0..count {
        sum += from.recv().await.unwrap();
    }
    sum
}

async fn many_to_many(mut state: State) -> State {
    let each = CONFIG.number("items_each");
    let items = CONFIG.number("producers") * each;
    let (sender, receiver) = async_channel::bounded(CONFIG.number("capacity"));
    while state.keep_running() {
        let consumers: Vec<_> = (0..CONFIG.number("consumers"))
            .map(|_| tokio::spawn(consume(receiver.clone(), each)))
            .collect();
        let producers: Vec<_> = (0..CONFIG.number("producers"))
            .map(|i| tokio::spawn(produce(sender.clone(), i * each, each)))
            .collect();
        for producer in producers {
            producer.await.unwrap();
        }
        let mut sum = 0;
        for consumer in consumers {
            sum += consumer.await.unwrap();
        }
        require(sum == items * (items - 1) / 2, "sum of the received items");
    }
    state.count_items(items);
    state
}

pub fn main() {
    Suite::new().add("channel/ping_pong", ping_pong).add("channel/mpmc", many_to_many).main();
}
