// How fast a program gets on: `rate spin|ping-pong|calls|dd-1|dd-64k [CALLS]` works until it is ended, five minutes at
// most, and each 100 ms prints what it has done so far, its CPU time and the monotonic clock, both in seconds. With CALLS
// it computes between its system calls, so that there are about that many in a second where nothing slows it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;
static char buffer[1 << 16];

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void tell(uint64_t done) {
  static double last;
  double now = seconds(CLOCK_MONOTONIC);
  if (now - last < 0.1) return;
  last = now;
  printf("%llu %.6f %.6f\n", (unsigned long long)done, seconds(CLOCK_PROCESS_CPUTIME_ID), now);
  fflush(stdout);
}

static void must(int good) {
  if (!good) {
    perror("rate");
    exit(1);
  }
}

static void spin(void) {
  for (uint64_t done = 1;; done++) {
    uint64_t x = done;
    for (int i = 0; i < 10000; i++) x = x * 6364136223846793005u + 1442695040888963407u;
    sink += x;
    tell(done);
  }
}

static int there[2], back[2];

static void *answer(void *unused) {
  char byte;
  (void)unused;
  while (read(there[0], &byte, 1) == 1) must(write(back[1], &byte, 1) == 1);
  return NULL;
}

// Two threads on one CPU, which is given over with each byte.
static void ping_pong(void) {
  cpu_set_t one;
  pthread_t thread;
  char byte = 0;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  must(sched_setaffinity(0, sizeof one, &one) == 0);
  must(pipe(there) == 0 && pipe(back) == 0);
  must(pthread_create(&thread, NULL, answer, NULL) == 0);
  for (uint64_t done = 1;; done++) {
    must(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1);
    if (done % 16 == 0) tell(done);
  }
}

static void calls(void) {
  for (uint64_t done = 1;; done++) {
    for (int i = 0; i < 100; i++) syscall(SYS_getppid);
    tell(done * 100);
  }
}

static void compute(long rounds) {
  uint64_t x = 1;
  for (long i = 0; i < rounds; i++) x = x * 6364136223846793005u + 1442695040888963407u;
  sink += x;
}

static int from, to;

static void copy_once(size_t size) {
  // A tracer's signal cuts a long read short.
  must(read(from, buffer, size) > 0 && write(to, buffer, size) == (ssize_t)size);
}

// How much to compute with each two calls. The best of some trials: others may have the CPU in the meantime.
static long rounds_between(size_t size, double wanted) {
  double call = 1, round = 1;
  for (int trial = 0; trial < 20; trial++) {
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < 2000; i++) copy_once(size);
    double middle = seconds(CLOCK_THREAD_CPUTIME_ID);
    compute(1000000);
    double end = seconds(CLOCK_THREAD_CPUTIME_ID);
    if (middle - start < call) call = middle - start;
    if (end - middle < round) round = end - middle;
  }
  double left = 2 / wanted - call / 2000;
  return left > 0 ? (long)(left / (round / 1000000)) : 0;
}

static void copy(size_t size, double wanted) {
  from = open("/dev/zero", O_RDONLY);
  to = open("/dev/null", O_WRONLY);
  must(from >= 0 && to >= 0);
  long rounds = wanted > 0 ? rounds_between(size, wanted) : 0;
  for (uint64_t done = 2;; done += 2) {
    copy_once(size);
    compute(rounds);
    if (done % 64 == 0) tell(done);
  }
}

int main(int count, char **arguments) {
  const char *what = count > 1 ? arguments[1] : "";
  double wanted = count > 2 ? atof(arguments[2]) : 0;
  alarm(300);
  if (!strcmp(what, "spin")) spin();
  if (!strcmp(what, "ping-pong")) ping_pong();
  if (!strcmp(what, "calls")) calls();
  if (!strcmp(what, "dd-1")) copy(1, wanted);
  if (!strcmp(what, "dd-64k")) copy(sizeof buffer, wanted);
  fprintf(stderr, "usage: rate spin|ping-pong|calls|dd-1|dd-64k [CALLS]\n");
  return 2;
}
