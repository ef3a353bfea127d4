// Go has no thread outside of its runtime. What comes nearest is a goroutine that is locked to an
// OS thread: no other goroutine runs on that thread, so the tasks run on others, as elsewhere. But
// while it runs it is one of the GOMAXPROCS, so with one worker the spawner and the tasks take
// turns.
package main

import (
	_ "embed"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

func spawnAndJoin(state *bench.State) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tasks := config.Number("tasks")
	ended := make([]int, tasks)
	iterations := 0
	for state.KeepRunning() {
		var group sync.WaitGroup
		group.Add(tasks)
		for t := 0; t < tasks; t++ {
			go func(t int) {
				ended[t]++
				group.Done()
			}(t)
		}
		group.Wait()
		iterations++
	}
	for _, times := range ended {
		bench.Require(times == iterations, "number of ends of a task")
	}
	state.CountItems(tasks)
}

func busy(state *bench.State) {
	var stop atomic.Bool
	var hogs sync.WaitGroup
	length := time.Duration(config.Number("busy_us")) * time.Microsecond
	for h := 0; h < config.Number("busy_tasks"); h++ {
		hogs.Add(1)
		go func() {
			defer hogs.Done()
			for !stop.Load() {
				for started := time.Now(); time.Since(started) < length; {
				}
				runtime.Gosched()
			}
		}()
	}
	spawnAndJoin(state)
	stop.Store(true)
	hogs.Wait()
}

func successor(left int, done chan<- struct{}) {
	if left == 0 {
		done <- struct{}{}
	} else {
		go successor(left-1, done)
	}
}

func chain(state *bench.State) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	length := config.Number("chain")
	done := make(chan struct{})
	for state.KeepRunning() {
		go successor(length, done)
		<-done
	}
	state.CountItems(length)
}

func main() {
	bench.Add("spawn_remote/idle", spawnAndJoin)
	bench.Add("spawn_remote/busy", busy)
	bench.Add("spawn_remote/chain", chain)
	bench.Main()
}
