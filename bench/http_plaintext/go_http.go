// A whole HTTP server, the standard library's, as Go programs use it. The bare connection is go.
package main

import (
	"net/http"

	bench "weft/bench/support/go"
)

var body = []byte("Hello, World!")

func main() {
	bench.ServeHTTP(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "text/plain")
		answer.Write(body)
		bench.Answered.Add(1)
	}))
}
