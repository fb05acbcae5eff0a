package main

import (
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// slice is how long the goroutine that keeps a processor busy computes until it lets others go first.
const slice = 10 * time.Microsecond

func spinFor(span time.Duration) {
	for start := time.Now(); time.Since(start) < span; {
	}
}

// trips are the times of round trips that follow each other, with one look at the clock for each.
type trips struct {
	begin, end, began time.Time
	times             []time.Duration
}

// next says that a trip is over and the next one begins, or false when the time is over.
func (t *trips) next() bool {
	now := time.Now()
	if !t.began.Before(t.begin) {
		t.times = append(t.times, now.Sub(t.began))
	}
	t.began = now
	return now.Before(t.end)
}

// percentiles are the median and the 99th percentile, in nanoseconds.
func percentiles(times []time.Duration) (float64, float64) {
	sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
	at := func(share float64) float64 { return float64(times[int(share*float64(len(times)-1))]) }
	return at(0.5), at(0.99)
}

// roomFor is more trips than there can be in the time that is measured, if that is not long, so that none waits for a
// slice to grow.
func roomFor(span time.Duration) []time.Duration {
	const most = 8_000_000
	count := span / (50 * time.Nanosecond)
	if count > most {
		count = most
	}
	room := make([]time.Duration, count)
	// Touched, so that none waits for memory.
	for n := range room {
		room[n] = 1
	}
	return room[:0]
}

// pair is ping-pong between two goroutines that begin on different processors; the first one has another beside it that
// computes, if that is asked for. It gives the average, the median and the 99th percentile, in nanoseconds.
func pair(besideWork bool) []float64 {
	var running int32
	meet := func() {
		atomic.AddInt32(&running, 1)
		for atomic.LoadInt32(&running) < 2 {
		}
	}
	ping, pong := make(chan int, 1), make(chan int, 1)
	go func() {
		meet()
		for n := range ping {
			pong <- n
		}
	}()
	result := make(chan []float64)
	go func() {
		meet()
		var done int32
		if besideWork {
			go func() {
				for atomic.LoadInt32(&done) == 0 {
					spinFor(slice)
					runtime.Gosched()
				}
			}()
		}
		trip := func(n int) {
			ping <- n
			if <-pong != n {
				panic("a wrong answer")
			}
		}
		average := perOperation(1, true, func(count int) {
			for n := 0; n < count; n++ {
				trip(n)
			}
		})
		room := roomFor(atLeast)
		now := time.Now()
		t := trips{begin: now, end: now.Add(atLeast), began: now, times: room}
		for trip(0); t.next(); {
			trip(0)
		}
		atomic.StoreInt32(&done, 1)
		median, p99 := percentiles(t.times)
		result <- []float64{average, median, p99}
	}()
	return <-result
}

// pairs is ping-pong of 64 pairs at once.
func pairs() []float64 {
	const count, warmUp = 64, 100 * time.Millisecond
	begin := time.Now().Add(warmUp)
	end := begin.Add(atLeast)
	players := make([]trips, count)
	var all sync.WaitGroup
	all.Add(count)
	for p := range players {
		ping, pong := make(chan int, 1), make(chan int, 1)
		go func() {
			for n := range ping {
				pong <- n
			}
		}()
		go func(t *trips) {
			*t = trips{begin: begin, end: end, began: time.Now()}
			for more := true; more; more = t.next() {
				ping <- 0
				<-pong
			}
			close(ping)
			all.Done()
		}(&players[p])
	}
	all.Wait()
	var times []time.Duration
	for _, t := range players {
		times = append(times, t.times...)
	}
	median, p99 := percentiles(times)
	return []float64{float64(atLeast.Nanoseconds()) / float64(len(times)), median, p99}
}
