// A WaitGroup is the group of the standard library; errgroup is not part of it.
package main

import (
	_ "embed"
	"sync"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

func spawnAndWait(state *bench.State) {
	children := config.Number("children")
	ended := make([]int, children)
	expected := 0
	for state.KeepRunning() {
		var group sync.WaitGroup
		group.Add(children)
		for c := 0; c < children; c++ {
			go func(mine *int) {
				*mine++
				group.Done()
			}(&ended[c])
		}
		group.Wait()
		expected += children
		sum := 0
		for _, times := range ended {
			sum += times
		}
		bench.Require(sum == expected, "number of children that ended")
	}
	state.CountItems(children)
}

func main() {
	bench.Add("task_group", spawnAndWait)
	bench.Main()
}
