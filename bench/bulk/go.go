package main

import (
	_ "embed"
	"net"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

func echo(connection net.Conn) {
	var messages uint64
	defer func() { bench.Answered.Add(messages) }()
	buffer := make([]byte, config.Number("bulk_buffer"))
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
