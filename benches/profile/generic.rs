//! Work in Rust: generic functions, closures, trait objects, hash maps, sorting. Runs until it is ended, ten minutes
//! at most.

use std::collections::HashMap;
use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

trait Step {
    fn step(&self, x: u64) -> u64;
}

struct Multiply<const ROUNDS: usize>;

impl<const ROUNDS: usize> Step for Multiply<ROUNDS> {
    #[inline(never)]
    fn step(&self, mut x: u64) -> u64 {
        for _ in 0..ROUNDS {
            x = black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
        }
        x
    }
}

#[inline(never)]
fn apply<T: Copy, F: Fn(T) -> T>(value: T, times: usize, function: F) -> T {
    (0..times).fold(value, |value, _| function(value))
}

#[inline(never)]
fn count(words: &[String]) -> usize {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts.len()
}

#[inline(never)]
fn sorted(seed: u64) -> u64 {
    let mut numbers: Vec<u64> = (0..2000).map(|i: u64| (i ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    numbers.sort();
    numbers[0]
}

#[inline(never)]
fn printed(seed: u64) -> usize {
    let mut text = String::new();
    for i in 0..100 {
        let _ = write!(text, "{i} {:.3} ", seed as f64 / 3.0);
    }
    text.len()
}

fn main() {
    let started = Instant::now();
    let steps: [Box<dyn Step>; 2] = [Box::new(Multiply::<20000>), Box::new(Multiply::<10000>)];
    let words: Vec<String> = (0..1500).map(|i| format!("word {}", i % 700)).collect();
    let mut seed = 1;
    while started.elapsed() < Duration::from_secs(600) {
        seed = steps.iter().fold(seed, |x, step| step.step(x));
        seed = apply(seed, 8000, |x| black_box(x.rotate_left(7) ^ 0x55));
        seed ^= count(&words) as u64 ^ sorted(seed) ^ printed(seed) as u64;
    }
    black_box(seed);
}
