package main

import (
	_ "embed"
	"fmt"
	"sync"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

// The tasks write their numbers into slots and a WaitGroup joins them, as Go programs do; a channel
// per task would be dearer.
func spawnAndJoin(state *bench.State, tasks int) {
	numbers := make([]int, tasks)
	for state.KeepRunning() {
		var group sync.WaitGroup
		group.Add(tasks)
		for i := 0; i < tasks; i++ {
			go func(i int) {
				numbers[i] = i
				group.Done()
			}(i)
		}
		group.Wait()
		sum := 0
		for _, number := range numbers {
			sum += number
		}
		bench.Require(sum == tasks*(tasks-1)/2, "sum of the tasks' numbers")
	}
	state.CountItems(tasks)
}

func main() {
	for _, tasks := range config.Numbers("task_counts") {
		tasks := tasks
		bench.Add(fmt.Sprintf("spawn_join/tasks:%d", tasks), func(state *bench.State) { spawnAndJoin(state, tasks) })
	}
	bench.Main()
}
