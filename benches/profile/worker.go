// Work in Go: methods, closures, maps, sorting and the garbage collector, in two goroutines. Runs until it is ended,
// ten minutes at most.
package main

import (
	"fmt"
	"sort"
	"time"
)

type mixer struct{ state uint64 }

//go:noinline
func (m *mixer) mix(rounds int) {
	for i := 0; i < rounds; i++ {
		m.state = m.state*6364136223846793005 + 1442695040888963407
	}
}

//go:noinline
func fibonacci(n int) int {
	if n < 2 {
		return n
	}
	return fibonacci(n-1) + fibonacci(n-2)
}

//go:noinline
func count(words []string) int {
	counts := map[string]int{}
	for _, word := range words {
		counts[word]++
	}
	return len(counts)
}

//go:noinline
func sorted(m *mixer) int {
	numbers := make([]int, 1500)
	for i := range numbers {
		m.mix(1)
		numbers[i] = int(m.state >> 32)
	}
	sort.Ints(numbers)
	return numbers[0]
}

func work(done <-chan time.Time) {
	m := &mixer{state: 1}
	words := make([]string, 1000)
	for i := range words {
		words[i] = fmt.Sprintf("word %d", i%300)
	}
	for {
		select {
		case <-done:
			return
		default:
		}
		m.mix(80000)
		sum := fibonacci(19) + count(words) + sorted(m)
		m.state += uint64(len(fmt.Sprint(sum)))
	}
}

func main() {
	go work(nil)
	work(time.After(10 * time.Minute))
}
