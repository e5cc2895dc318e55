#!/usr/bin/env bash
# What diag watch costs over time: its CPU time and memory beside sleeping processes and others that come and go.
#   benches/watch.sh [MINUTES] [PROCESSES] [INTERVAL] [DIAG]      (defaults: 30 1000 10s, the release build)
# Prints a line a minute, and at the end the share of one CPU and how much the memory grew after the first fifth.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-30}
processes=${2:-1000}
interval=${3:-10s}
diag=${4:-${CARGO_TARGET_DIR:-target}/release/diag}
scratch=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap cleanup EXIT

# The sleepers are children of one process, which ends them with itself.
python3 - "$processes" >"$scratch/sleepers" <<'PYTHON' &
import ctypes, os, signal, sys, time
libc = ctypes.CDLL(None)
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        libc.prctl(1, signal.SIGKILL)
        time.sleep(1e6)
print("ready", flush=True)
signal.pause()
PYTHON
pids+=($!)
until [[ -s $scratch/sleepers ]]; do sleep 0.2; done

# Churn: ten short processes a second, in turn.
(while :; do /bin/true; sleep 0.1; done) &
pids+=($!)

"$diag" watch --interval "$interval" --no-config --state "$scratch/state.json" >"$scratch/lines" 2>"$scratch/errors" &
watch=$!
pids+=("$watch")

# CPU ticks and resident kilobytes.
look() {
  local stat rss
  stat=$(<"/proc/$watch/stat")
  read -r -a fields <<<"${stat##*) }"
  rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$watch/status")
  echo "$((fields[11] + fields[12])) $rss"
}

ticks_per_second=$(getconf CLK_TCK)
started=$EPOCHREALTIME
early=
printf '%8s %10s %10s %8s\n' minute 'CPU %' 'RSS kB' threads
for ((at = 1; at <= minutes * 6; at++)); do
  sleep 10
  read -r ticks rss < <(look)
  elapsed=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
  share=$(awk -v t="$ticks" -v h="$ticks_per_second" -v e="$elapsed" 'BEGIN { printf "%.3f", 100 * t / h / e }')
  ((at * 5 < minutes * 6)) || : "${early:=$rss}"
  if ((at % 6 == 0)); then
    printf '%8d %10s %10d %8d\n' "$((at / 6))" "$share" "$rss" "$(find "/proc/$watch/task" -mindepth 1 -maxdepth 1 | wc -l)"
  fi
done
printf 'over %d min with %d processes: %s %% of one CPU; resident %d kB after a fifth, %d kB at the end; %d lines, %d on stderr\n' \
  "$minutes" "$processes" "$share" "$early" "$rss" "$(wc -l <"$scratch/lines")" "$(wc -l <"$scratch/errors")"
