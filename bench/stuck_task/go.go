package main

import (
	_ "embed"
	"net"
	"runtime"
	"time"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

func echo(connection net.Conn) {
	var messages uint64
	defer func() { bench.Answered.Add(messages) }()
	buffer := make([]byte, config.Number("echo_buffer"))
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:count]); err != nil {
			return
		}
		messages++
	}
}

func hog() {
	length := time.Duration(config.Number("busy_ms")) * time.Millisecond
	for {
		for end := time.Now().Add(length); time.Now().Before(end); {
		}
		runtime.Gosched()
	}
}

func main() {
	go hog()
	bench.Serve(echo)
}
