package main

import (
	_ "embed"
	"runtime"
	"sync"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

// Go's semaphore is a channel: sending takes a permit, receiving gives it back.
func acquireFree(state *bench.State) {
	acquires := config.Number("free_acquires")
	semaphore := make(chan struct{}, config.Number("permits"))
	for state.KeepRunning() {
		for i := 0; i < acquires; i++ {
			semaphore <- struct{}{}
			<-semaphore
		}
		bench.Require(len(semaphore) == 0, "permits given back")
	}
	state.CountItems(acquires)
}

func acquireContended(state *bench.State) {
	tasks, each := config.Number("tasks"), config.Number("acquires_each")
	semaphore := make(chan struct{}, config.Number("permits"))
	for state.KeepRunning() {
		var group sync.WaitGroup
		group.Add(tasks)
		for t := 0; t < tasks; t++ {
			go func() {
				for i := 0; i < each; i++ {
					semaphore <- struct{}{}
					runtime.Gosched()
					<-semaphore
				}
				group.Done()
			}()
		}
		group.Wait()
		bench.Require(len(semaphore) == 0, "permits given back")
	}
	state.CountItems(tasks * each)
}

func main() {
	bench.Add("semaphore/free", acquireFree)
	bench.Add("semaphore/contended", acquireContended)
	bench.Main()
}
