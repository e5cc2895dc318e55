"""Work in Python: recursion, dictionaries, sorting, text. Runs until it is ended, ten minutes at most."""

import time


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def mix(x, rounds):
    for _ in range(rounds):
        x = (x * 1103 + 12345) & 0xFFFF
    return x


def count(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return len(counts)


def ordered(seed):
    numbers = [(seed + i) * 7919 % 65521 for i in range(3500)]
    return sorted(numbers)[0]


def text(seed):
    return len(" ".join(f"{i} {seed / 3:.3f}" for i in range(100)))


def main():
    words = [f"word {i % 300}" for i in range(6000)]
    end = time.monotonic() + 600
    seed = 1
    while time.monotonic() < end:
        seed = (seed + fibonacci(15) + mix(seed, 1500) + count(words) + ordered(seed) + text(seed)) % 1000


main()
