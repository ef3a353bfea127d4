package main

import (
	_ "embed"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	bench "weft/bench/support/go"
)

//go:embed config.h
var config bench.Config

func folder() string {
	folder := filepath.Join(os.TempDir(), "weft-bench-files")
	bench.Require(os.MkdirAll(folder, 0o777) == nil, "folder")
	return folder
}

func fill(path string, bytes int) {
	if found, err := os.Stat(path); err == nil && found.Size() == int64(bytes) {
		return
	}
	bench.Require(os.WriteFile(path, make([]byte, bytes), 0o666) == nil, "file to read")
}

func small(state *bench.State) {
	files, bytes := config.Number("small_files"), config.Number("small_bytes")
	paths := make([]string, files)
	for i := range paths {
		paths[i] = filepath.Join(folder(), strconv.Itoa(i))
		fill(paths[i], bytes)
	}
	sizes := make([]int, files)
	for state.KeepRunning() {
		var group sync.WaitGroup
		group.Add(files)
		for i := range paths {
			go func(i int) {
				content, err := os.ReadFile(paths[i])
				bench.Require(err == nil, "reading a file")
				sizes[i] = len(content)
				group.Done()
			}(i)
		}
		group.Wait()
		sum := 0
		for _, size := range sizes {
			sum += size
		}
		bench.Require(sum == files*bytes, "sum of sizes")
	}
	state.CountItems(files)
}

func large(state *bench.State) {
	chunks, bytes := config.Number("chunks"), config.Number("chunk_bytes")
	path := filepath.Join(folder(), "large")
	fill(path, chunks*bytes)
	buffer := make([]byte, bytes)
	for state.KeepRunning() {
		file, err := os.Open(path)
		bench.Require(err == nil, "opening the file")
		sum := 0
		for {
			count, err := file.Read(buffer)
			sum += count
			if err == io.EOF {
				break
			}
			bench.Require(err == nil, "reading the file")
		}
		file.Close()
		bench.Require(sum == chunks*bytes, "size of the file")
	}
	state.CountItems(chunks)
}

func main() {
	bench.Add("files/small", small)
	bench.Add("files/large", large)
	bench.Main()
}
