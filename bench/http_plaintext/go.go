// The bare connection, with the scanner that all contenders share. net/http is a contender of its
// own, go_http.
package main

import (
	"net"
	"strings"

	bench "weft/bench/support/go"
)

const (
	httpBuffer   = 4096
	pipelinedMax = 256
	response     = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
	blankLine    = "\r\n\r\n"
)

var responses = []byte(strings.Repeat(response, pipelinedMax))

// countRequests is that of config.h.
func countRequests(matched int, input []byte) (int, int) {
	requests := 0
	for _, b := range input {
		if b == blankLine[matched] {
			matched++
			if matched == len(blankLine) {
				matched = 0
				requests++
			}
		} else if b == '\r' {
			matched = 1
		} else {
			matched = 0
		}
	}
	return matched, requests
}

func answer(connection net.Conn) {
	var messages uint64
	defer func() { bench.Answered.Add(messages) }()
	buffer := make([]byte, httpBuffer)
	matched, requests := 0, 0
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if matched, requests = countRequests(matched, buffer[:count]); requests == 0 {
			continue
		}
		if _, err := connection.Write(responses[:requests*len(response)]); err != nil {
			return
		}
		messages += uint64(requests)
	}
}

func main() { bench.Serve(answer) }
