package main

import (
	_ "embed"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

func yieldInTurn(state *bench.State, tasks int) {
	each := config.Number("all_yields") / tasks
	for state.KeepRunning() {
		var group sync.WaitGroup
		var all atomic.Int64
		group.Add(tasks)
		for i := 0; i < tasks; i++ {
			go func() {
				yields := 0
				for yields < each {
					runtime.Gosched()
					yields++
				}
				all.Add(int64(yields))
				group.Done()
			}()
		}
		group.Wait()
		bench.Require(all.Load() == int64(each*tasks), "number of yields")
	}
	state.CountItems(each * tasks)
}

func main() {
	for _, tasks := range config.Numbers("task_counts") {
		tasks := tasks
		bench.Add(fmt.Sprintf("yield/tasks:%d", tasks), func(state *bench.State) { yieldInTurn(state, tasks) })
	}
	bench.Main()
}
