// Work in JavaScript: recursion, objects, sorting, strings. Runs until it is ended, ten minutes at most.
'use strict';

function fibonacci(n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

function mix(x, rounds) {
  for (let i = 0; i < rounds; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return x;
}

function count(words) {
  const counts = new Map();
  for (const word of words) counts.set(word, (counts.get(word) || 0) + 1);
  return counts.size;
}

function sorted(seed) {
  const numbers = [];
  for (let i = 0; i < 700; i++) numbers.push(mix(seed + i, 2));
  numbers.sort((a, b) => a - b);
  return numbers[0];
}

const words = Array.from({ length: 1000 }, (_, i) => `word ${i % 300}`);
const end = Date.now() + 600000;
let seed = 1;
while (Date.now() < end) {
  for (let i = 0; i < 20; i++) {
    seed = (seed + fibonacci(18) + mix(seed, 60000) + count(words) + sorted(seed)) | 0;
  }
}
