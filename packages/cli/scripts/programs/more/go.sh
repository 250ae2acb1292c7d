# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
mkdir -p g
cd g
cat > m.go <<'G'
package main
import ("fmt";"sync";"runtime";"sort";"time")
func main(){ var wg sync.WaitGroup; var mu sync.Mutex; t:=0; for i:=0;i<100;i++{ wg.Add(1); go func(i int){ defer wg.Done(); mu.Lock(); t+=i*i; mu.Unlock() }(i) }; wg.Wait(); fmt.Println(t, runtime.GOARCH); m:=map[string]int{}; for i:=0;i<10000;i++{ m[fmt.Sprint(i%97)]++ }; k:=[]string{}; for x:=range m { k=append(k,x) }; sort.Strings(k); fmt.Println(k[:5]); defer func(){ fmt.Println("rec", recover()) }(); c:=time.After(10*time.Millisecond); <-c; var p *int; fmt.Println(*p) }
G
HOME=/tmp GOCACHE=/tmp/gc GOFLAGS=-p=1 /usr/lib/go-1.19/bin/go build -o m m.go && ./m
