package main

import (
	"net"

	bench "weft/bench/support/go"
)

const echoBuffer = 4096 // config.h

func echo(connection net.Conn) {
	var messages uint64
	defer func() { bench.Answered.Add(messages) }()
	buffer := make([]byte, echoBuffer)
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

func main() { bench.Serve(echo) }
