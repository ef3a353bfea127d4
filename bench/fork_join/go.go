package main

import (
	_ "embed"
	"sync"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

func fib(n int) int {
	if n < 2 {
		return n
	}
	var a int
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		a = fib(n - 1)
		group.Done()
	}()
	b := fib(n - 2)
	group.Wait()
	return a + b
}

func skynet(from, count int) int {
	if count == 1 {
		return from
	}
	step := count / 10
	var parts [9]int
	var group sync.WaitGroup
	group.Add(len(parts))
	for i := range parts {
		go func(i int) {
			parts[i] = skynet(from+i*step, step)
			group.Done()
		}(i)
	}
	sum := skynet(from+9*step, step)
	group.Wait()
	for _, part := range parts {
		sum += part
	}
	return sum
}

const (
	queensOf = 10
	matrix   = 512
	block    = 32
)

type board [queensOf]int8

func safe(placed *board, row, column int) bool {
	for above := 0; above < row; above++ {
		apart := column - int(placed[above])
		if apart == 0 || apart == row-above || apart == above-row {
			return false
		}
	}
	return true
}

func queens(placed board, row int) int {
	if row == queensOf {
		return 1
	}
	var solutions [queensOf]int
	var group sync.WaitGroup
	for column := 0; column < queensOf; column++ {
		if !safe(&placed, row, column) {
			continue
		}
		next := placed
		next[row] = int8(column)
		group.Add(1)
		go func(slot *int) {
			*slot = queens(next, row+1)
			group.Done()
		}(&solutions[column])
	}
	group.Wait()
	sum := 0
	for _, found := range solutions {
		sum += found
	}
	return sum
}

func multiplyBlock(a, b, c []int32) {
	for i := 0; i < block; i++ {
		to := c[i*matrix : i*matrix+block]
		for k := 0; k < block; k++ {
			factor, from := a[i*matrix+k], b[k*matrix:k*matrix+block]
			for j := range to {
				to[j] += factor * from[j]
			}
		}
	}
}

func multiply(a, b, c []int32, n int) {
	if n == block {
		multiplyBlock(a, b, c)
		return
	}
	half := n / 2
	at := func(row, column int) int { return row*half*matrix + column*half }
	for inner := 0; inner < 2; inner++ {
		var group sync.WaitGroup
		group.Add(3)
		product := func(row, column int) {
			multiply(a[at(row, inner):], b[at(inner, column):], c[at(row, column):], half)
		}
		for _, place := range [][2]int{{0, 0}, {0, 1}, {1, 0}} {
			go func(row, column int) {
				product(row, column)
				group.Done()
			}(place[0], place[1])
		}
		product(1, 1)
		group.Wait()
	}
}

func runQueens(state *bench.State) {
	for state.KeepRunning() {
		bench.Require(queens(board{}, 0) == config.Number("queens_result"), "number of solutions")
	}
	state.CountItems(config.Number("queens_tasks"))
}

func runMatmul(state *bench.State) {
	for state.KeepRunning() {
		a, b, c := ones(), ones(), make([]int32, matrix*matrix)
		multiply(a, b, c, matrix)
		for _, sum := range c {
			bench.Require(sum == matrix, "product of the matrices")
		}
	}
	state.CountItems(config.Number("block_products"))
}

func ones() []int32 {
	all := make([]int32, matrix*matrix)
	for i := range all {
		all[i] = 1
	}
	return all
}

func main() {
	bench.Add("fork_join/nqueens10", runQueens)
	bench.Add("fork_join/matmul512", runMatmul)
	bench.Add("fork_join/fib32", func(state *bench.State) {
		for state.KeepRunning() {
			bench.Require(fib(config.Number("fib_of")) == config.Number("fib_result"), "fib")
		}
		state.CountItems(config.Number("fib_calls"))
	})
	bench.Add("fork_join/skynet1M", func(state *bench.State) {
		leaves := config.Number("leaves")
		for state.KeepRunning() {
			bench.Require(skynet(0, leaves) == leaves*(leaves-1)/2, "skynet sum")
		}
		state.CountItems(config.Number("nodes"))
	})
	bench.Main()
}
