package main

import (
	_ "embed"
	"net"
	"sync"
	"sync/atomic"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

// One scheduler for both sides: Go has no loops to keep apart.
var served atomic.Int64

func answer(connection net.Conn) {
	defer connection.Close()
	buffer, reply := make([]byte, 4096), make([]byte, config.Number("answer_bytes"))
	for {
		if _, err := connection.Read(buffer); err != nil {
			return
		}
		served.Add(1)
		if _, err := connection.Write(reply); err != nil {
			return
		}
	}
}

func ask(server string, requests int) {
	connection, err := net.Dial("tcp", server)
	bench.Require(err == nil, "connection")
	defer connection.Close()
	buffer, request := make([]byte, 4096), make([]byte, config.Number("request_bytes"))
	expected := config.Number("answer_bytes")
	for i := 0; i < requests; i++ {
		_, err := connection.Write(request)
		bench.Require(err == nil, "request")
		size, err := connection.Read(buffer)
		bench.Require(err == nil && size == expected, "size of the answer")
	}
}

func pingPong(state *bench.State) {
	connections, requests := config.Number("connections"), config.Number("requests")
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	bench.Require(err == nil, "listener")
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(connection)
		}
	}()
	for state.KeepRunning() {
		served.Store(0)
		var group sync.WaitGroup
		group.Add(connections)
		for c := 0; c < connections; c++ {
			go func() {
				ask(listener.Addr().String(), requests/connections)
				group.Done()
			}()
		}
		group.Wait()
		bench.Require(served.Load() == int64(requests), "number of requests served")
	}
	state.CountItems(requests)
}

func main() {
	bench.Add("socket_ping_pong", pingPong)
	bench.Main()
}
