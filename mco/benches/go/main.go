// Go's side of the benchmark: the same rows, the same work, the same output as the Rust program that starts this one.
//
//	go build -o side . && ./side ROW WORKERS MIN_MS
//	./side list
//
// It prints `value X`, or it serves as `http.go` says.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"syscall"
	"time"
)

// A row's function takes one figure.
var rows = map[string]func() float64{
	"yield_one":                 yieldOne,
	"yield_1000":                yieldMany,
	"spawn_join":                spawnJoin,
	"spawn_20000":               spawnMany,
	"skynet":                    skynet,
	"sleep_cpu":                 func() float64 { return sleepCPU(true) },
	"sleep_cpu_cold":            func() float64 { return sleepCPU(false) },
	"idle_cpu":                  func() float64 { return idlers(10_000, true).percent },
	"idle_bytes_64k":            func() float64 { return idlers(20_000, false).bytes },
	"idle_bytes":                func() float64 { return idlers(20_000, false).bytes },
	"idle_bytes_million":        func() float64 { return idlers(1_000_000, false).bytes },
	"http_64":                   serve,
	"http_1000":                 serve,
	"http_64_pipelined":         serve,
	"syscalls_64":               serve,
	"syscalls_1000":             serve,
	"ping_pong":                 pingPong,
	"one_to_one_bounded_1024":   func() float64 { return bounded(1) },
	"four_to_four_bounded_1024": func() float64 { return bounded(4) },
	"mutex_64":                  mutex,
	"select_4":                  selectFour,
}

// atLeast is the shortest measurement.
var atLeast = 200 * time.Millisecond

func main() {
	if len(os.Args) == 2 && os.Args[1] == "list" {
		var names []string
		for name := range rows {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Println(name)
		}
		return
	}
	if len(os.Args) != 4 || rows[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: %s ROW WORKERS MIN_MS | list\n", os.Args[0])
		os.Exit(2)
	}
	workers, faultWorkers := strconv.Atoi(os.Args[2])
	milliseconds, faultMs := strconv.Atoi(os.Args[3])
	if faultWorkers != nil || faultMs != nil {
		fmt.Fprintln(os.Stderr, "WORKERS and MIN_MS must be numbers")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(workers)
	atLeast = time.Duration(milliseconds) * time.Millisecond
	fmt.Println("value", rows[os.Args[1]]())
}

// perOperation gives the nanoseconds that an operation takes: it warms up and then measures as `src/meter.rs` does.
// Where batches grow, each is a multiple of unit; else each is one unit.
func perOperation(unit int, grows bool, do func(operations int)) float64 {
	const warmUp, telling = 100 * time.Millisecond, 20 * time.Millisecond
	batch := unit
	var spent time.Duration
	for {
		start := time.Now()
		do(batch)
		took := time.Since(start)
		spent += took
		if grows {
			wanted := 1.25 * float64(batch) * float64(atLeast) / float64(took+1)
			if wanted > 8*float64(batch) {
				wanted = 8 * float64(batch)
			}
			batch = (int(wanted) + unit - 1) / unit * unit
			if batch == 0 {
				batch = unit
			}
		}
		if spent >= warmUp && (!grows || took >= telling) {
			break
		}
	}
	done := 0
	spent = 0
	for spent < atLeast {
		start := time.Now()
		do(batch)
		spent += time.Since(start)
		done += batch
	}
	return float64(spent.Nanoseconds()) / float64(done)
}

// must ends the program with a message that the session reports.
func must(fault error) {
	if fault != nil {
		fmt.Fprintln(os.Stderr, fault)
		os.Exit(1)
	}
}

// cpuTime is the processor time of this process, in user and kernel mode.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
