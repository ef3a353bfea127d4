package main

import (
	_ "embed"
	"runtime"
	"sync"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

// A package variable, so that the compiler keeps every addition.
var counter int

func lockFreeMutex(state *bench.State) {
	locks := config.Number("free_locks")
	var mutex sync.Mutex
	for state.KeepRunning() {
		counter = 0
		for i := 0; i < locks; i++ {
			mutex.Lock()
			counter++
			mutex.Unlock()
		}
		bench.Require(counter == locks, "guarded counter")
	}
	state.CountItems(locks)
}

func lockContendedMutex(state *bench.State) {
	tasks, each := config.Number("tasks"), config.Number("locks_each")
	for state.KeepRunning() {
		var mutex sync.Mutex
		var group sync.WaitGroup
		counter = 0
		group.Add(tasks)
		for t := 0; t < tasks; t++ {
			go func() {
				for i := 0; i < each; i++ {
					mutex.Lock()
					before := counter
					runtime.Gosched()
					counter = before + 1
					mutex.Unlock()
				}
				group.Done()
			}()
		}
		group.Wait()
		bench.Require(counter == tasks*each, "guarded counter")
	}
	state.CountItems(tasks * each)
}

func main() {
	bench.Add("mutex/free", lockFreeMutex)
	bench.Add("mutex/contended", lockContendedMutex)
	bench.Main()
}
