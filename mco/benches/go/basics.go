package main

import (
	"runtime"
	"sync"
)

// yieldOne: one goroutine yields.
func yieldOne() float64 {
	return perOperation(1, true, func(yields int) {
		for n := 0; n < yields; n++ {
			runtime.Gosched()
		}
	})
}

// yieldMany: 1,000 goroutines yield.
func yieldMany() float64 {
	const goroutines = 1000
	return perOperation(goroutines, true, func(yields int) {
		var all sync.WaitGroup
		all.Add(goroutines)
		for g := 0; g < goroutines; g++ {
			go func() {
				for n := 0; n < yields/goroutines; n++ {
					runtime.Gosched()
				}
				all.Done()
			}()
		}
		all.Wait()
	})
}

// spawnJoin: start one, take what it gives, one after the other.
func spawnJoin() float64 {
	return perOperation(1, true, func(goroutines int) {
		for n := 0; n < goroutines; n++ {
			result := make(chan int, 1)
			go func(n int) { result <- n }(n)
			if <-result != n {
				panic("a wrong result")
			}
		}
	})
}

// spawnMany: start 20,000, wait for all.
func spawnMany() float64 {
	return perOperation(20_000, false, func(goroutines int) {
		results := make([]int, goroutines)
		var all sync.WaitGroup
		all.Add(goroutines)
		for n := 0; n < goroutines; n++ {
			go func(n int) {
				results[n] = n
				all.Done()
			}(n)
		}
		all.Wait()
		sum := 0
		for _, result := range results {
			sum += result
		}
		if sum != goroutines*(goroutines-1)/2 {
			panic("a wrong sum")
		}
	})
}

// skynet: a tree of goroutines with 1,000,000 leaves.
func skynet() float64 {
	return perOperation(1_000_000, false, func(leaves int) {
		result := make(chan int, 1)
		go node(0, leaves, result)
		if <-result != leaves*(leaves-1)/2 {
			panic("a wrong sum")
		}
	})
}

func node(first, leaves int, result chan<- int) {
	const branches = 10
	if leaves == 1 {
		result <- first
		return
	}
	share := leaves / branches
	results := make(chan int, branches)
	for n := 0; n < branches; n++ {
		go node(first+n*share, share, results)
	}
	sum := 0
	for n := 0; n < branches; n++ {
		sum += <-results
	}
	result <- sum
}
