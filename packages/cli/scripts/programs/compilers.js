// SPDX-License-Identifier: BSD-3-Clause
/** gcc and g++ with binutils, tcc; builds of Debian sources with make -j8, whose objects must be those of a native build. */

const heredoc = (file, text) => `cat > ${file} <<'END'\n${text}\nEND`;

const C = String.raw`#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void *worker(void *p) { long s = 0; for (int i = 0; i < 1000; i++) s += i ^ (long)p; return (void *)s; }
int main(int argc, char **argv) {
  int v[500]; unsigned x = 12345; pthread_t t[4]; long s = 0;
  for (int i = 0; i < 500; i++) { x = x * 1103515245 + 12345; v[i] = x >> 16; }
  qsort(v, 500, sizeof *v, compare);
  for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, worker, (void *)i);
  for (int i = 0; i < 4; i++) { void *r; pthread_join(t[i], &r); s += (long)r; }
  printf("%d %d %ld %.15g %s %s\n", v[0], v[499], s, sin(1) + sqrt(2) * exp(.5), strerror(ENOENT), argc > 1 ? argv[1] : "-");
  time_t day = 86400 * 365; char text[40]; strftime(text, sizeof text, "%F %T", gmtime(&day)); puts(text);
  return v[250] & 63;
}`;

const CXX = String.raw`#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
struct Base { virtual ~Base() = default; virtual std::string name() const = 0; };
template <int N> struct Derived : Base { std::string name() const override { return "derived " + std::to_string(N); } };
static int depth(int n) { if (n == 0) throw std::out_of_range("bottom"); struct Guard { ~Guard() { count++; } static int& c() { static int x; return x; } int& count = c(); } g; return depth(n - 1) + g.count; }
int main() {
  std::map<std::string, std::vector<int>> m;
  for (int i = 0; i < 200; i++) m[std::to_string(i * 7919 % 13)].push_back(i);
  for (auto& [k, v] : m) std::cout << k << ':' << v.size() << ' ';
  std::vector<std::unique_ptr<Base>> all; all.push_back(std::make_unique<Derived<3>>()); all.push_back(std::make_unique<Derived<4>>());
  for (auto& p : all) std::cout << p->name() << '\n';
  try { depth(20); } catch (const std::exception& e) { std::cout << e.what() << '\n'; }
  std::regex r("([a-z]+)=(\\d+)"); std::string s = "alpha=1, beta=22"; for (std::sregex_iterator i(s.begin(), s.end(), r), e; i != e; ++i) std::cout << (*i)[2] << '\n';
  auto f = std::async(std::launch::async, [] { long n = 0; for (int i = 0; i < 100000; i++) n += i % 7; return n; });
  std::mutex l; std::condition_variable c; bool ready = false; std::thread t([&] { std::lock_guard g(l); ready = true; c.notify_all(); });
  { std::unique_lock g(l); c.wait_for(g, std::chrono::seconds(20), [&] { return ready; }); } t.join();
  std::cout << f.get() << ' ' << ready << '\n';
  namespace fs = std::filesystem; fs::create_directories("a/b"); std::ofstream("a/b/f") << "text"; for (auto& e : fs::recursive_directory_iterator("a")) std::cout << e.path().string() << '\n';
  std::cout << fs::file_size("a/b/f") << ' ' << fs::remove_all("a") << '\n'; long double pi = 3.14159265358979323846L; std::cout.precision(19); std::cout << pi << '\n';
  throw std::runtime_error("uncaught");
}`;

/** Prints digests of what a build made, and whether `time` accounted the work to user mode. */
const built = (pattern) =>
  `find . ${pattern} -type f | sort | xargs sha256sum; awk '$1 == "user" { print ($2 > 0.5 ? "user time counted" : "user time " $2) }' time.txt`;

export const COMPILERS = [
  {
    name: "gcc-compile-link-run",
    script: `${heredoc("t.c", C)}\nfor o in '-O0' '-O2 -g' '-O3 -march=pentium4 -mfpmath=sse' '-Os -static' '-O1 -fsanitize=undefined' '-O2 -flto'; do gcc $o -Wall -o t t.c -lm -pthread && ./t "$o"; echo $?; done; gcc -O2 -c t.c; sha256sum t.o; gcc -S -O2 t.c; sha256sum t.s; gcc -M t.c | wc -l; gcc -shared -fPIC -o libt.so t.c -lm; sha256sum libt.so; echo 'int f( {' | gcc -xc -; echo $?; gcc -v 2>&1 | tail -1; gcc nothere.c; echo $?; gcc -pipe -E - < t.c | wc -l`,
    limit: 120,
  },
  {
    name: "g++-compile-link-run",
    script: `${heredoc("t.cc", CXX)}\nfor o in -O0 '-O2 -std=c++20'; do g++ $o -o t t.cc -pthread && (./t; echo $?) 2>&1; done; sha256sum t; nm -C t | grep -c 'std::'; echo 'int main() { std::vector<int> v; }' | g++ -xc++ - 2>&1 | head -3`,
    limit: 200,
  },
  {
    name: "binutils",
    script: `${heredoc("t.c", C)}\ngcc -O1 -g -c t.c; for i in 1 2 3; do echo "int f$i(int x) { return x * $i; }" | gcc -O2 -xc -c -o f$i.o -; done; ar rcsD l.a f1.o f2.o f3.o; sha256sum l.a; ar t l.a; nm -s l.a | head -5; ranlib -D l.a; objdump -dr f3.o | tail -4; objdump -h t.o | head -8; readelf -hS f1.o | cksum; readelf --debug-dump=info t.o | cksum; objcopy -O binary -j .text f1.o b; sha256sum b; strip -g -o s.o t.o; sha256sum s.o; size t.o; strings -n 8 t.o | head -3; addr2line -fe t.o 0 | head -1; ld -r -o r.o f1.o f2.o; sha256sum r.o; printf '.globl _start\\n_start: mov $1,%%eax; mov $7,%%ebx; int $0x80\\n' | as -o a.o -; ld -o a a.o; ./a; echo $?; ld -o u t.o; echo $?; c++filt _ZNSt6vectorIiSaIiEE9push_backERKi; gprof --version | head -1; cp a.o z.o; elfedit --output-osabi=FreeBSD z.o; readelf -h z.o | grep OS/ABI; ld.gold -o g a.o 2>&1; ./g; echo $?`,
  },
  {
    name: "tcc",
    script: `${heredoc("t.c", C)}\ntcc -o t t.c -lm -lpthread && ./t a; echo $?; sha256sum t; tcc -c t.c && sha256sum t.o; tcc -run t.c b 2>&1; echo $?; echo 'int main( {' | tcc -; echo $?; tcc -b -g -o t t.c -lm 2>/dev/null; echo $?`,
  },
  {
    name: "build-lua",
    script: `cp -r /usr/src/lua5.4 s; cd s; /usr/bin/time -p -o time.txt make -j8 linux MYCFLAGS=-std=gnu99 > log 2>&1; echo $?; ${built("-name '*.[oa]' -o -name lua -o -name luac")}; src/lua -e 'print(_VERSION, 10 // 3)'`,
    limit: 300,
  },
];
