"""Work in Python: recursion, dictionaries, sorting, text. Runs until it is ended, ten minutes at most."""

import time


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def mix(x, rounds):
    for _ in range(rounds):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
    return x


def count(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return len(counts)


def ordered(seed):
    numbers = [(seed + i) * 2654435761 % 4294967296 for i in range(3000)]
    return sorted(numbers)[0]


def text(seed):
    return len(" ".join(f"{i} {seed / 3:.3f}" for i in range(300)))


def main():
    words = [f"word {i % 300}" for i in range(2000)]
    end = time.monotonic() + 600
    seed = 1
    while time.monotonic() < end:
        seed += fibonacci(13) + mix(seed, 2000) + count(words) + ordered(seed) + text(seed)


main()
