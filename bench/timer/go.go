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

// A time-out around an operation is a context in Go; the operation is a yield that never sees it
// pass.
func armAndCancel(state *bench.State) {
	tasks, each := config.Number("tasks"), config.Number("timeouts_each")
	limit := time.Duration(config.Number("timeout")) * time.Second
	for state.KeepRunning() {
		var group sync.WaitGroup
		var passed atomic.Int64
		group.Add(tasks)
		for t := 0; t < tasks; t++ {
			go func() {
				for i := 0; i < each; i++ {
					scope, cancel := context.WithTimeout(context.Background(), limit)
					runtime.Gosched()
					if scope.Err() != nil {
						passed.Add(1)
					}
					cancel()
				}
				group.Done()
			}()
		}
		group.Wait()
		bench.Require(passed.Load() == 0, "number of time-outs that passed")
	}
	state.CountItems(tasks * each)
}

func guardWhatIsReady(state *bench.State) {
	count, limit := config.Number("ready_timeouts"), time.Duration(config.Number("timeout"))*time.Second
	for state.KeepRunning() {
		sum := 0
		for i := 0; i < count; i++ {
			scope, cancel := context.WithTimeout(context.Background(), limit)
			if scope.Err() == nil {
				sum++
			}
			cancel()
		}
		bench.Require(sum == count, "number of time-outs")
	}
	state.CountItems(count)
}

func sleepTogether(state *bench.State) {
	sleepers, stride := config.Number("sleepers"), config.Number("stride")
	arming := time.Duration(config.Number("slow_arming")) * time.Second
	for state.KeepRunning() {
		var group sync.WaitGroup
		resident, cpu, started := bench.ResidentBytes(), bench.ProcessCPU(), time.Now()
		group.Add(sleepers)
		for i := 0; i < sleepers; i++ {
			wakesAt := started.Add(arming + time.Duration(i*stride%sleepers)*time.Microsecond)
			go func() {
				time.Sleep(time.Until(wakesAt))
				group.Done()
			}()
		}
		time.Sleep(time.Until(started.Add(arming - 100*time.Millisecond)))
		bench.Require(time.Since(started) < arming, "all sleepers armed before the first wakes")
		bytes := bench.ResidentBytes() - resident
		group.Wait()
		state.Counter("bytes_per_item", bytes/float64(sleepers))
		state.Counter("cpu_ns_per_item", float64((bench.ProcessCPU()-cpu).Nanoseconds())/float64(sleepers))
	}
}

func main() {
	bench.Add("timer/arm_cancel", armAndCancel)
	bench.Add("timer/ready", guardWhatIsReady)
	bench.Add("timer/sleepers1M", sleepTogether)
	bench.Main()
}
