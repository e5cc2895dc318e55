// Work of known shares in C: `alpha`, `beta` and `gamma_` take 4, 2 and 1 parts of the same arithmetic, some calls
// deep; the rest is the C library's: memcpy, qsort, snprintf. Runs until it is ended, ten minutes at most.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noipa))

static volatile uint64_t sink;

NOINLINE static uint64_t alpha(uint64_t x, int rounds) {
  for (int i = 0; i < rounds; i++) x = x * 6364136223846793005u + 1442695040888963407u;
  return x;
}

NOINLINE static uint64_t beta(uint64_t x, int rounds) {
  for (int i = 0; i < rounds; i++) x = x * 6364136223846793005u + 1442695040888963407u;
  return x ^ 1;
}

NOINLINE static uint64_t gamma_(uint64_t x, int rounds) {
  for (int i = 0; i < rounds; i++) x = x * 6364136223846793005u + 1442695040888963407u;
  return x ^ 2;
}

// Two calls between the arithmetic and its caller, each with something left to do afterwards.
NOINLINE static uint64_t inner(uint64_t x) { return alpha(x, 40000) + beta(x, 20000) + gamma_(x, 10000); }
NOINLINE static uint64_t middle(uint64_t x) { return inner(x) + 1; }
NOINLINE static uint64_t outer(uint64_t x) { return middle(x) ^ 3; }

NOINLINE static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

NOINLINE static void sort(void) {
  static uint32_t numbers[600];
  static uint32_t seed = 1;
  for (int i = 0; i < 600; i++) numbers[i] = seed = seed * 1664525u + 1013904223u;
  qsort(numbers, 600, sizeof *numbers, compare);
  sink += numbers[0];
}

NOINLINE static void copy(void) {
  static char from[1 << 17], to[1 << 17];
  for (int i = 0; i < 5; i++) {
    memcpy(to, from, sizeof to - (size_t)i);
    from[i] = (char)(to[i] + 1);
  }
}

NOINLINE static void print(void) {
  char text[64];
  for (int i = 0; i < 60; i++) sink += (uint64_t)snprintf(text, sizeof text, "%d %.3f %s", i, i * 1.1, "text");
}

int main(void) {
  alarm(600);
  for (;;) {
    sink += outer(sink);
    sort();
    copy();
    print();
  }
}
