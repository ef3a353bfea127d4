package main

import (
	_ "embed"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

// A goroutine awaits by calling: an ordinary call on a stack that grows.
//
//go:noinline
func child(number int) int { return number }

func awaitInALoop(state *bench.State) {
	awaits := config.Number("awaits")
	for state.KeepRunning() {
		sum := 0
		for i := 0; i < awaits; i++ {
			sum += child(i)
		}
		bench.Require(sum == awaits*(awaits-1)/2, "sum of the children's numbers")
	}
	state.CountItems(awaits)
}

func depthOf(levelsLeft int) int {
	if levelsLeft == 0 {
		return 0
	}
	return depthOf(levelsLeft-1) + 1
}

func awaitDeep(state *bench.State) {
	levels := config.Number("levels")
	for state.KeepRunning() {
		// A goroutine of its own, so that the stack grows anew each time, as a frame would.
		depth := make(chan int)
		go func() { depth <- depthOf(levels) }()
		bench.Require(<-depth == levels, "depth of the chain")
	}
	state.CountItems(levels)
}

func main() {
	bench.Add("nested_await/loop", awaitInALoop)
	bench.Add("nested_await/deep_1M", awaitDeep)
	bench.Main()
}
