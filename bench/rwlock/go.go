package main

import (
	_ "embed"
	"runtime"
	"sync"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

// Package variables, so that the compiler keeps every access.
var value, counter = 1, 0

func readAlone(state *bench.State) {
	locks := config.Number("free_locks")
	var mutex sync.RWMutex
	for state.KeepRunning() {
		sum := 0
		for i := 0; i < locks; i++ {
			mutex.RLock()
			sum += value
			mutex.RUnlock()
		}
		bench.Require(sum == locks, "number of reads")
	}
	state.CountItems(locks)
}

func readAndWrite(mutex *sync.RWMutex, locks, writeEvery int) {
	for i := 0; i < locks; i++ {
		if i%writeEvery == 0 {
			mutex.Lock()
			before := counter
			runtime.Gosched()
			counter = before + 1
			mutex.Unlock()
		} else {
			mutex.RLock()
			before := counter
			runtime.Gosched()
			bench.Require(counter == before, "nobody writes while others read")
			mutex.RUnlock()
		}
	}
}

func contended(state *bench.State) {
	tasks, each, writeEvery := config.Number("tasks"), config.Number("locks_each"), config.Number("write_every")
	var mutex sync.RWMutex
	for state.KeepRunning() {
		counter = 0
		var group sync.WaitGroup
		group.Add(tasks)
		for t := 0; t < tasks; t++ {
			go func() {
				readAndWrite(&mutex, each, writeEvery)
				group.Done()
			}()
		}
		group.Wait()
		bench.Require(counter == tasks*each/writeEvery, "number of writes")
	}
	state.CountItems(tasks * each)
}

func main() {
	bench.Add("rwlock/read", readAlone)
	bench.Add("rwlock/contended", contended)
	bench.Main()
}
