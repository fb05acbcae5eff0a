package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

var (
	blankLine = []byte("\r\n\r\n")
	// What a request begins with that is answered after a millisecond's work.
	compute = []byte("GET /compute ")
	block   = []byte("GET /block ")
)

const (
	buffer = 16 * 1024
	// Of a blank line, what may have come with the read before.
	carry    = 3
	response = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
)

// serve says `listening ADDRESS`, answers requests, and answers each line of standard input with `cpu MICROSECONDS`,
// until that input ends.
func serve() []float64 {
	listener, fault := net.Listen("tcp", "127.0.0.1:0")
	must(fault)
	// As many as may ever go out at once.
	responses := bytes.Repeat([]byte(response), (carry+buffer)/4)
	go func() {
		for {
			connection, fault := listener.Accept()
			must(fault)
			go converse(connection, responses)
		}
	}()
	fmt.Println("listening", listener.Addr())
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		fmt.Println("cpu", cpuTime().Microseconds())
	}
	os.Exit(0)
	return nil
}

// computeForAWhile uses a millisecond of the thread's processor time. The goroutine keeps its thread meanwhile, as another
// one's clock would say something else.
func computeForAWhile() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	number := uint64(1)
	for end := threadTime() + time.Millisecond; threadTime() < end; {
		for n := 0; n < 1000; n++ {
			number = number*6364136223846793005 + 1
		}
	}
	runtime.KeepAlive(number)
}

// blockForAWhile keeps the thread asleep for a millisecond.
func blockForAWhile() {
	span := syscall.NsecToTimespec(time.Millisecond.Nanoseconds())
	for {
		// A signal may cut it short, and then the rest is left.
		if fault := syscall.Nanosleep(&span, &span); fault != syscall.EINTR {
			must(fault)
			return
		}
	}
}

// threadTime is the processor time of the calling thread.
func threadTime() time.Duration {
	const clockThreadCPUTime = 3
	var spent syscall.Timespec
	_, _, fault := syscall.RawSyscall(
		syscall.SYS_CLOCK_GETTIME, clockThreadCPUTime, uintptr(unsafe.Pointer(&spent)), 0)
	if fault != 0 {
		must(fault)
	}
	return time.Duration(spent.Nano())
}

func converse(connection net.Conn, responses []byte) {
	defer connection.Close()
	room := make([]byte, carry+buffer)
	for {
		length, fault := connection.Read(room[carry:])
		if fault != nil {
			return
		}
		// A heavy request comes alone.
		if bytes.HasPrefix(room[carry:carry+length], compute) {
			computeForAWhile()
		} else if bytes.HasPrefix(room[carry:carry+length], block) {
			blockForAWhile()
		}
		// `Count` does not count blank lines that overlap, which no well-formed request has.
		requests := bytes.Count(room[:carry+length], blankLine)
		copy(room[:carry], room[length:length+carry])
		if _, fault := connection.Write(responses[:requests*len(response)]); fault != nil {
			return
		}
	}
}
