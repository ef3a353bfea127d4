package main

import (
	_ "embed"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

func answer(from <-chan int, to chan<- int) {
	for number := range from {
		to <- number + 1
	}
	close(to)
}

func pingPong(state *bench.State) {
	rounds := config.Number("rounds")
	ping, pong := make(chan int, 1), make(chan int, 1)
	go answer(ping, pong)
	for state.KeepRunning() {
		number := 0
		for i := 0; i < rounds; i++ {
			ping <- number
			number = <-pong
		}
		bench.Require(number == rounds, "number of round trips")
	}
	close(ping)
	<-pong
	state.CountItems(rounds)
}

func manyToMany(state *bench.State) {
	producers, consumers := config.Number("producers"), config.Number("consumers")
	each := config.Number("items_each")
	items := producers * each
	shared := make(chan int, config.Number("capacity"))
	sums := make(chan int, consumers)
	for state.KeepRunning() {
		for c := 0; c < consumers; c++ {
			go func() {
				sum := 0
				for i := 0; i < each; i++ {
					sum += <-shared
				}
				sums <- sum
			}()
		}
		for p := 0; p < producers; p++ {
			go func(first int) {
				for i := 0; i < each; i++ {
					shared <- first + i
				}
			}(p * each)
		}
		sum := 0
		for c := 0; c < consumers; c++ {
			sum += <-sums
		}
		bench.Require(sum == items*(items-1)/2, "sum of the received items")
	}
	state.CountItems(items)
}

func main() {
	bench.Add("channel/ping_pong", pingPong)
	bench.Add("channel/mpmc", manyToMany)
	bench.Main()
}
