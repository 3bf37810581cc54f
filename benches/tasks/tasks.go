// What tasks cost in Go: see tasks.mena. usage: tasks OPERATION N EMPTY
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
)

//go:noinline
func work(i int) int { return i % 7 }

func spawnJoin(n int, empty bool) int {
	sum := 0
	for i := 0; i < n; i++ {
		if empty {
			sum += work(i)
		} else {
			end := make(chan int, 1)
			go func(i int) { end <- work(i) }(i)
			sum += <-end
		}
	}
	return sum
}

func spawnAll(n int, empty bool) int {
	results := make([]int, n)
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		if empty {
			results[i] = i
		} else {
			all.Add(1)
			go func(i int) { results[i] = work(i); all.Done() }(i)
		}
	}
	all.Wait()
	sum := 0
	for _, v := range results {
		if empty {
			sum += work(v)
		} else {
			sum += v
		}
	}
	return sum
}

func turns(n int, empty bool) int {
	count := 0
	for i := 0; i < n/2; i++ {
		if !empty {
			runtime.Gosched()
		}
		count++
	}
	return count
}

func switches(n int, empty bool) int {
	end := make(chan int, 1)
	go func() { end <- turns(n, empty) }()
	own := turns(n, empty)
	return own + <-end
}

func pingPong(n int, empty bool) int {
	there, back, end := make(chan int), make(chan int), make(chan bool, 1)
	go func() {
		for v := range there {
			back <- v + 1
		}
		end <- true
	}()
	sum := 0
	for i := 0; i < n; i++ {
		if empty {
			sum += work(i) - work(i) + i%2
		} else {
			there <- i % 2
			sum += <-back - 1
		}
	}
	close(there)
	<-end
	return sum
}

func fib(k int) int {
	if k < 2 {
		return k
	}
	return fib(k-1) + fib(k-2)
}

func fork(k int) int {
	if k < 2 {
		return k
	}
	left := make(chan int, 1)
	go func() { left <- fork(k - 1) }()
	right := fork(k - 2)
	return <-left + right
}

func forkJoin(n int, empty bool) int {
	if empty {
		return fib(n)
	}
	return fork(n)
}

func node(parent chan int, first, leaves int) {
	if leaves == 1 {
		parent <- first
		return
	}
	children := make(chan int, 10)
	share := leaves / 10
	for i := 0; i < 10; i++ {
		go node(children, first+i*share, share)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-children
	}
	parent <- sum
}

func plain(first, leaves int) int {
	if leaves == 1 {
		return first
	}
	share := leaves / 10
	sum := 0
	for i := 0; i < 10; i++ {
		sum += plain(first+i*share, share)
	}
	return sum
}

func skynet(n int, empty bool) int {
	if empty {
		return plain(0, n)
	}
	result := make(chan int, 1)
	go node(result, 0, n)
	return <-result
}

func parked(n int, empty bool) int {
	gate, done := make(chan int), make(chan int, 1)
	sum := 0
	if empty {
		for i := 0; i < n; i++ {
			sum += work(i) - work(i) + 1
		}
		return sum
	}
	for i := 0; i < n; i++ {
		go func() { done <- <-gate }()
	}
	runtime.Gosched()
	for i := 0; i < n; i++ {
		gate <- 1
		sum += <-done
	}
	return sum
}

func main() {
	operations := map[string]func(int, bool) int{
		"spawn_join": spawnJoin, "spawn_all": spawnAll, "switch": switches, "ping_pong": pingPong,
		"fork_join": forkJoin, "skynet": skynet, "parked": parked,
	}
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	fmt.Println(operations[os.Args[1]](n, os.Args[3] == "1"))
}
