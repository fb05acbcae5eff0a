package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
)

var blankLine = []byte("\r\n\r\n")

const (
	buffer = 16 * 1024
	// Of a blank line, what may have come with the read before.
	carry    = 3
	response = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
)

// serve says `listening ADDRESS`, answers requests, and answers each line of standard input with `cpu MICROSECONDS`,
// until that input ends.
func serve() float64 {
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
	return 0
}

func converse(connection net.Conn, responses []byte) {
	defer connection.Close()
	room := make([]byte, carry+buffer)
	for {
		length, fault := connection.Read(room[carry:])
		if fault != nil {
			return
		}
		// `Count` does not count blank lines that overlap, which no well-formed request has.
		requests := bytes.Count(room[:carry+length], blankLine)
		copy(room[:carry], room[length:length+carry])
		if _, fault := connection.Write(responses[:requests*len(response)]); fault != nil {
			return
		}
	}
}
