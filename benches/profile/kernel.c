// Work that the kernel does: directories, stat, pipes, random numbers, page faults. Runs until it is ended, ten minutes
// at most.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char buffer[1 << 16];

static void must(int good) {
  if (!good) {
    perror("kernel");
    exit(1);
  }
}

static void list(void) {
  DIR *directory = opendir("/etc");
  must(directory != NULL);
  while (readdir(directory)) {}
  closedir(directory);
}

static void look(void) {
  struct stat found;
  for (int i = 0; i < 300; i++) must(stat("/usr/bin/env", &found) == 0);
}

static void pass(const int *pipe_) {
  for (int i = 0; i < 40; i++) {
    must(write(pipe_[1], buffer, 32768) == 32768);
    must(read(pipe_[0], buffer, 32768) == 32768);
  }
}

static void draw(int urandom) { must(read(urandom, buffer, 60000) == 60000); }

static void touch(void) {
  size_t size = 1 << 19;
  char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(memory != MAP_FAILED);
  madvise(memory, size, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < size; i += 4096) memory[i] = 1;
  munmap(memory, size);
}

int main(void) {
  int pipe_[2], urandom = open("/dev/urandom", O_RDONLY);
  must(pipe(pipe_) == 0 && urandom >= 0);
  alarm(600);
  for (;;) {
    list();
    look();
    pass(pipe_);
    draw(urandom);
    touch();
  }
}
