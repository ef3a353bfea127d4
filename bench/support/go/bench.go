// Package bench is what the Go programs share: the sizes of a workload, the timing loop, one line a
// result. README.md ("Add a contender") describes the command line and the output, which the
// tokio and Python programs share.
package bench

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Config is the text of a workload's config.h, which the C++ programs include.
type Config string

// Number is the value of a constant: `NAME = 1'000;` or `NAME{1};`.
func (c Config) Number(name string) int { return c.Numbers(name)[0] }

// Numbers are the values of `NAME[] = {10, 100};`. Only literals.
func (c Config) Numbers(name string) []int {
	stated := regexp.MustCompile(`(?m)^[^/\n]* ` + name + `(?:\[\])?\s*[={][\s{]*(\d[\d', ]*)`)
	found := stated.FindStringSubmatch(string(c))
	if found == nil {
		panic("config.h has no " + name)
	}
	var numbers []int
	for _, word := range strings.FieldsFunc(strings.ReplaceAll(found[1], "'", ""), notDigit) {
		number, err := strconv.Atoi(word)
		if err != nil {
			panic(err)
		}
		numbers = append(numbers, number)
	}
	return numbers
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// Require stops the program: a benchmark whose result is wrong has measured something else.
func Require(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, "wrong result:", what)
		os.Exit(1)
	}
}

// State is the timing loop of one benchmark: `for state.KeepRunning() { one iteration }`.
type State struct {
	minTime    time.Duration
	entered    bool
	warm       bool
	started    time.Time
	cpuStarted time.Duration
	iterations int
	seconds    float64
	cpuSeconds float64
	items      int
	counters   string
}

// KeepRunning warms up, then measures. An iteration longer than the minimum is not repeated.
func (s *State) KeepRunning() bool {
	if !s.entered {
		s.entered = true
		s.restart()
		return true
	}
	s.iterations++
	passed := time.Since(s.started)
	if passed < s.minTime {
		if !s.warm && passed >= s.minTime/3 {
			s.warm = true
			s.restart()
		}
		return true
	}
	s.seconds = passed.Seconds()
	s.cpuSeconds = (ProcessCPU() - s.cpuStarted).Seconds()
	return false
}

// CountItems says how many items one iteration has.
func (s *State) CountItems(perIteration int) { s.items = perIteration }

// Counter adds a value of its own to the result.
func (s *State) Counter(name string, value float64) {
	s.counters += fmt.Sprintf(", %q: %.3f", name, value)
}

func (s *State) restart() {
	s.iterations = 0
	s.cpuStarted = ProcessCPU()
	s.started = time.Now()
}

func (s *State) print(benchmark string) {
	fmt.Printf(`{"benchmark": %q, "contender": "go"`, benchmark)
	if s.items > 0 {
		fmt.Printf(`, "items": %d, "iterations": %d, "seconds": %.9f, "cpu_seconds": %.9f`,
			s.items, s.iterations, s.seconds, s.cpuSeconds)
	}
	fmt.Printf("%s}\n", s.counters)
}

// ProcessCPU is the CPU time of all threads so far.
func ProcessCPU() time.Duration {
	const processCPUTime = 2 // CLOCK_PROCESS_CPUTIME_ID
	var now syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processCPUTime, uintptr(unsafe.Pointer(&now)), 0)
	return time.Duration(now.Nano())
}

// ResidentBytes is the memory that the process occupies now.
func ResidentBytes() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		panic(err)
	}
	return float64(pages * os.Getpagesize())
}

type benchmark struct {
	name string
	run  func(*State)
}

var benchmarks []benchmark

// Add registers a benchmark.
func Add(name string, run func(*State)) { benchmarks = append(benchmarks, benchmark{name, run}) }

// Main does what the command line asks for. The number of workers is GOMAXPROCS.
func Main() {
	list := flag.Bool("list", false, "name the benchmarks")
	wanted := flag.String("run", "", "`NAME CONTENDER,...`: only these")
	minTime := flag.Float64("min-time", 0.3, "seconds a benchmark")
	flag.Parse()
	cpus := runtime.NumCPU()
	if cpus < 2 {
		cpus = 2
	}
	for _, each := range benchmarks {
		for workers := 1; workers <= cpus; workers *= 2 {
			name := fmt.Sprintf("%s/workers:%d", each.name, workers)
			if *list {
				fmt.Println(name, "go")
			} else if *wanted == "" || contains(*wanted, name+" go") {
				runtime.GOMAXPROCS(workers)
				runtime.GC()
				state := State{minTime: time.Duration(*minTime * 1e9)}
				each.run(&state)
				state.print(name)
			}
		}
	}
}

func contains(names, name string) bool {
	for _, one := range strings.Split(names, ",") {
		if one == name {
			return true
		}
	}
	return false
}
