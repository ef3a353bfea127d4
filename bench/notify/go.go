package main

import (
	_ "embed"
	"fmt"
	"runtime"
	"sync"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

// Go's way to wake all: Cond.Broadcast.
func fanOut(state *bench.State, waiters int) {
	rounds := config.Number("wakeups") / waiters
	for state.KeepRunning() {
		var mutex sync.Mutex
		bell := sync.NewCond(&mutex)
		waits, ended := 0, 0 // guarded by mutex
		for w := 0; w < waiters; w++ {
			go func() {
				mutex.Lock()
				for i := 0; i < rounds; i++ {
					waits++
					bell.Wait()
				}
				ended++
				mutex.Unlock()
			}()
		}
		for all := false; !all; {
			bell.Broadcast()
			runtime.Gosched()
			mutex.Lock()
			all = ended == waiters
			mutex.Unlock()
		}
		bench.Require(waits == rounds*waiters, "number of waits")
	}
	state.CountItems(rounds * waiters)
}

func main() {
	for _, waiters := range config.Numbers("waiter_counts") {
		waiters := waiters
		bench.Add(fmt.Sprintf("notify/waiters:%d", waiters), func(state *bench.State) { fanOut(state, waiters) })
	}
	bench.Main()
}
