package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sleepCPU: CPU ms of 20,000 goroutines that each sleep up to half a second.
func sleepCPU(warm bool) float64 {
	const goroutines = 20_000
	lap := func() {
		var all sync.WaitGroup
		all.Add(goroutines)
		for n := 0; n < goroutines; n++ {
			go func(n int) {
				time.Sleep(time.Duration(n*7919%500_000) * time.Microsecond)
				all.Done()
			}(n)
		}
		all.Wait()
	}
	laps := 1
	if warm {
		lap()
		laps = 2
	}
	start := cpuTime()
	for n := 0; n < laps; n++ {
		lap()
	}
	return (cpuTime() - start).Seconds() * 1e3 / float64(laps)
}

type cost struct{ bytes, percent float64 }

// idlers: what goroutines cost that sleep long, or else wait for a channel; in memory each, in processor time together.
func idlers(goroutines int, sleeping bool) cost {
	var resting int64
	never := make(chan int)
	before := residentBytes()
	for n := 0; n < goroutines; n++ {
		go func() {
			atomic.AddInt64(&resting, 1)
			if sleeping {
				time.Sleep(time.Hour)
			} else {
				<-never
			}
		}()
	}
	for atomic.LoadInt64(&resting) < int64(goroutines) {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	each := float64(residentBytes()-before) / float64(goroutines)
	since, cpu := time.Now(), cpuTime()
	time.Sleep(time.Second)
	percent := 100 * (cpuTime() - cpu).Seconds() / time.Since(since).Seconds()
	return cost{bytes: each, percent: percent}
}

// residentBytes is the memory of this process and its page tables.
func residentBytes() int {
	return 1024 * (kibibytes("/proc/self/smaps_rollup", "Rss:") + kibibytes("/proc/self/status", "VmPTE:"))
}

func kibibytes(path, field string) int {
	text, fault := os.ReadFile(path)
	must(fault)
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, field) {
			var number int
			_, fault := fmt.Sscan(line[len(field):], &number)
			must(fault)
			return number
		}
	}
	must(fmt.Errorf("`%s` has no `%s`", path, field))
	return 0
}
