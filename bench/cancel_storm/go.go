package main

import (
	"context"
	_ "embed"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

// A goroutine cannot be cancelled; it listens to its context beside its timer.
func cancelAll(state *bench.State) {
	tasks := config.Number("tasks")
	for state.KeepRunning() {
		var group sync.WaitGroup
		var cancelled atomic.Int64
		scope, cancel := context.WithCancel(context.Background())
		group.Add(tasks)
		for t := 0; t < tasks; t++ {
			go func() {
				defer group.Done()
				timer := time.NewTimer(time.Hour)
				select {
				case <-timer.C:
				case <-scope.Done():
					timer.Stop()
					cancelled.Add(1)
				}
			}()
		}
		runtime.Gosched()
		cancel()
		group.Wait()
		bench.Require(cancelled.Load() == int64(tasks), "number of cancelled tasks")
	}
	state.CountItems(tasks)
}

func main() {
	bench.Add("cancel_storm", cancelAll)
	bench.Main()
}
