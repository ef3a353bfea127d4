package bench

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
)

// Answered counts requests. A connection keeps its own count and adds it here when it ends.
var Answered atomic.Uint64

// Serve is the frame of a server under measurement: arguments, SIGTERM, the closing line; as
// support/server.h has it for C and C++. At SIGTERM all connections are closed and awaited.
func Serve(serve func(net.Conn)) {
	listener := listen()
	var open connections
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			open.add(connection)
			go func() {
				serve(connection)
				open.remove(connection)
			}()
		}
	}()
	awaitSignal()
	listener.Close()
	open.closeAll()
	printTotals()
}

// ServeHTTP is the same for a handler of net/http.
func ServeHTTP(handler http.Handler) {
	server := http.Server{Handler: handler}
	go server.Serve(listen())
	awaitSignal()
	server.Close()
	printTotals()
}

func listen() net.Listener {
	address := flag.String("listen", "127.0.0.1:0", "`IP:PORT`")
	workers := flag.Int("workers", 1, "GOMAXPROCS")
	flag.Parse()
	if *workers < 1 {
		fmt.Fprintln(os.Stderr, "--workers wants a number from 1")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(*workers)
	listener, err := net.Listen("tcp4", *address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on", listener.Addr())
	return listener
}

func awaitSignal() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}

func printTotals() {
	fmt.Printf("cpu_ns=%d messages=%d\n", ProcessCPU().Nanoseconds(), Answered.Load())
}
