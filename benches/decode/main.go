// Decodes a log of format version 2 with Go's gzip and a CBOR library of Go, as decode.py asks, and
// prints how many messages it holds.
package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fxamacker/cbor/v2"
)

type message struct {
	ConnectionID string          `cbor:"connectionId"`
	Timestamp    int64           `cbor:"timestamp"`
	Type         uint            `cbor:"type"`
	Payload      cbor.RawMessage `cbor:"payload"`
	ChannelID    *uint64         `cbor:"channelId"`
}

type stream struct {
	Stream uint   `cbor:"stream"`
	Data   []byte `cbor:"data"`
}

func count(path string) (messages int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if _, err = file.Seek(40, io.SeekStart); err != nil {
		return 0, err
	}
	content, err := gzip.NewReader(bufio.NewReaderSize(file, 1<<16))
	if err != nil {
		return 0, err
	}
	decoder := cbor.NewDecoder(bufio.NewReaderSize(content, 1<<16))
	for {
		var next message
		// The last member stays open in version 2.
		if err = decoder.Decode(&next); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return messages, nil
		} else if err != nil {
			return messages, err
		}
		if next.Type == 500 {
			var io stream
			if err = cbor.Unmarshal(next.Payload, &io); err != nil {
				return messages, err
			}
		}
		messages++
	}
}

func main() {
	messages, err := count(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(messages)
}
