// Go's side of the benchmark: the same rows, the same work, the same output as the Rust program that starts this one.
//
//	go build -o side . && ./side ROW WORKERS MIN_MS
//	./side list
//
// It prints `value X..`, or it serves as `http.go` says.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A row's function takes its figures.
var rows = map[string]func() []float64{
	"yield_one":                 one(yieldOne),
	"yield_1000":                one(yieldMany),
	"spawn_join":                one(spawnJoin),
	"spawn_20000":               one(spawnMany),
	"skynet":                    one(skynet),
	"sleep_cpu":                 one(func() float64 { return sleepCPU(true) }),
	"sleep_cpu_cold":            one(func() float64 { return sleepCPU(false) }),
	"idle_cpu":                  one(func() float64 { return idlers(10_000, true).percent }),
	"idle_bytes_64k":            one(func() float64 { return idlers(20_000, false).bytes }),
	"idle_bytes":                one(func() float64 { return idlers(20_000, false).bytes }),
	"idle_bytes_million":        one(func() float64 { return idlers(1_000_000, false).bytes }),
	"http_64":                   serve,
	"http_1000":                 serve,
	"http_64_pipelined":         serve,
	"http_64_paced_22000":       serve,
	"http_64_paced_6000":        serve,
	"skew":                      serve,
	"skew_heavy_first":          serve,
	"skew_turns_heavy":          serve,
	"skew_blocking":             serve,
	"syscalls_64":               serve,
	"syscalls_1000":             serve,
	"ping_pong":                 one(pingPong),
	"ping_pong_cross":           func() []float64 { return pair(false) },
	"ping_pong_busy":            func() []float64 { return pair(true) },
	"ping_pong_64":              pairs,
	"one_to_one_bounded_1024":   one(func() float64 { return bounded(1) }),
	"four_to_four_bounded_1024": one(func() float64 { return bounded(4) }),
	"mutex_64":                  one(mutex),
	"select_4":                  one(selectFour),
}

// one makes a function of several figures of one that takes one.
func one(take func() float64) func() []float64 {
	return func() []float64 { return []float64{take()} }
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
	// A row that serves does not come back.
	figures := rows[os.Args[1]]()
	fmt.Println("value", strings.Trim(fmt.Sprint(figures), "[]"))
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
