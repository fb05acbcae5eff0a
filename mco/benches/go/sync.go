package main

import "sync"

// pingPong: two goroutines, two channels with room for one, as Go's have bounds; there and back.
func pingPong() float64 {
	ping, pong := make(chan int, 1), make(chan int, 1)
	go func() {
		for n := range ping {
			pong <- n
		}
	}()
	return perOperation(1, true, func(trips int) {
		for n := 0; n < trips; n++ {
			ping <- n
			if <-pong != n {
				panic("a wrong answer")
			}
		}
	})
}

// bounded: so many producers and as many consumers share a channel with room for 1,024.
func bounded(pairs int) float64 {
	return perOperation(pairs, true, func(messages int) {
		channel := make(chan int, 1024)
		var producers, consumers sync.WaitGroup
		producers.Add(pairs)
		consumers.Add(pairs)
		counts := make([]int, pairs)
		for p := 0; p < pairs; p++ {
			go func() {
				for n := 0; n < messages/pairs; n++ {
					channel <- n
				}
				producers.Done()
			}()
			go func(p int) {
				count := 0
				for range channel {
					count++
				}
				counts[p] = count
				consumers.Done()
			}(p)
		}
		producers.Wait()
		close(channel)
		consumers.Wait()
		sum := 0
		for _, count := range counts {
			sum += count
		}
		if sum != messages {
			panic("messages were lost")
		}
	})
}

// mutex: 64 goroutines add to a number behind one mutex.
func mutex() float64 {
	const goroutines = 64
	return perOperation(goroutines, true, func(locks int) {
		var lock sync.Mutex
		var all sync.WaitGroup
		number := 0
		all.Add(goroutines)
		for g := 0; g < goroutines; g++ {
			go func() {
				for n := 0; n < locks/goroutines; n++ {
					lock.Lock()
					number++
					lock.Unlock()
				}
				all.Done()
			}()
		}
		all.Wait()
		if number != locks {
			panic("a wrong number")
		}
	})
}

// selectFour: a send to one of four channels, then a select over all four.
func selectFour() float64 {
	var channels [4]chan int
	for n := range channels {
		channels[n] = make(chan int, 1)
	}
	a, b, c, d := channels[0], channels[1], channels[2], channels[3]
	return perOperation(1, true, func(selects int) {
		for n := 0; n < selects; n++ {
			channels[n%4] <- n
			var got int
			select {
			case got = <-a:
			case got = <-b:
			case got = <-c:
			case got = <-d:
			}
			if got != n {
				panic("a wrong value")
			}
		}
	})
}
