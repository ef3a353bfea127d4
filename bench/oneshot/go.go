package main

import (
	_ "embed"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

// A oneshot is a channel of capacity 1 that is used once.
func oneRoundTrip(number int) int {
	ping, pong := make(chan int, 1), make(chan int, 1)
	go func() { pong <- <-ping + 1 }()
	ping <- number
	return <-pong
}

func pingPong(state *bench.State) {
	pairs := config.Number("pairs")
	answers := make(chan int, pairs)
	for state.KeepRunning() {
		for i := 0; i < pairs; i++ {
			go func(i int) { answers <- oneRoundTrip(i) }(i)
		}
		sum := 0
		for i := 0; i < pairs; i++ {
			sum += <-answers
		}
		bench.Require(sum == pairs*(pairs+1)/2, "sum of the answers")
	}
	state.CountItems(pairs)
}

type request struct {
	number int
	reply  chan int
}

func requestReply(state *bench.State) {
	wanted := config.Number("requests")
	requests := make(chan request, config.Number("backlog"))
	go func() {
		for next := range requests {
			next.reply <- next.number + 1
		}
	}()
	for state.KeepRunning() {
		number := 0
		for i := 0; i < wanted; i++ {
			reply := make(chan int, 1)
			requests <- request{number, reply}
			number = <-reply
		}
		bench.Require(number == wanted, "number of requests")
	}
	close(requests)
	state.CountItems(wanted)
}

func main() {
	bench.Add("oneshot/ping_pong", pingPong)
	bench.Add("oneshot/request_reply", requestReply)
	bench.Main()
}
