package main

import (
	_ "embed"
	"runtime"
	"sync"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

func gatherAll(state *bench.State) {
	children := config.Number("children")
	for state.KeepRunning() {
		numbers := make([]int, children)
		var group sync.WaitGroup
		group.Add(children)
		for i := range numbers {
			go func(i int) {
				runtime.Gosched()
				numbers[i] = i
				group.Done()
			}(i)
		}
		group.Wait()
		sum := 0
		for _, number := range numbers {
			sum += number
		}
		bench.Require(sum == children*(children-1)/2, "sum of the children's numbers")
	}
	state.CountItems(children)
}

func main() {
	bench.Add("gather", gatherAll)
	bench.Main()
}
