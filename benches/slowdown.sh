#!/usr/bin/env bash
# How much slower a program gets while it is profiled or traced: by diag, perf and strace.
#
#   benches/slowdown.sh [WORKLOAD...]
#
# Workloads: spin, ping-pong and calls with samples at 99 Hz; dd-1 and dd-64k with their system calls traced, paced to
# 3 and half a million calls a second, and dd-full without a pace, as fast as the machine can, which no limit is meant
# for; all of them where none is given. Needs cc, root or the right to profile, and perf and strace for what they are
# compared with. It takes one to two minutes for each workload on a quiet machine.
#
# Every figure is the median over pairs of windows, without the tool and right afterwards with it, taken in turns. It is
# the target's throughput with the tool by that without: 1.00 is no harm. "By CPU time" is throughput in a second of the
# target's CPU time, so that other work on the box matters little; "by the clock" counts the time as well for which a
# tracer stops the target. "nothing" is the control: how far it is from 1.00 is noise.
#
# Environment: DIAG is the program to measure, instead of target/release/diag; PAIRS of windows for each figure (5); WINDOW
# the seconds of each (2).
#
# Exit code: 0 it measured and diag keeps its limits: 0.99 of the speed by CPU time, less what the control is off, at
# 99 Hz; 0.65 and 0.90 by the clock with system calls traced. 1 one is missed; 2 something could not be measured.
set -euo pipefail

own=$(cd "$(dirname "$0")" && pwd)
DIAG=${DIAG:-${CARGO_TARGET_DIR:-$own/../target}/release/diag}
window=${WINDOW:-2}
pairs=${PAIRS:-5}
workloads=("$@")
((${#workloads[@]})) || workloads=(spin ping-pong calls dd-1 dd-64k dd-full)

for program in cc "$DIAG"; do
  if ! command -v "$program" >/dev/null; then
    echo "not found: $program" >&2
    exit 2
  fi
done

scratch=$(mktemp -d)
target=
tool=
cleanup() {
  for pid in $tool $target; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 2' INT TERM
cc -O2 -pthread -o "$scratch/rate" "$own/profile/rate.c"

# The tool is on for longer than the window: it starts before, and its end, with the names of what it saw, comes after.
# Sets `command` for a tool; fails where it is not installed.
prepare() {
  local on
  lead=1
  # The system calls are traced once the window is over, which is a second long at least.
  [[ $1 != "diag, calls" ]] || lead=2
  on=$(awk -v window="$window" 'BEGIN { print window + 1.5 }')
  case $1 in
    nothing) command=(sleep "$on") ;;
    "diag, 99 Hz")
      command=("$DIAG" --pid "$target" --profile --profile-mode on-cpu --frequency 99 --interval "${on}s" --format json)
      ;;
    "diag, calls")
      command=("$DIAG" --pid "$target" --profile="${on}s" --profile-mode syscalls --interval 1s --format json)
      ;;
    "perf record, 99 Hz")
      command=(perf record --quiet --no-buildid-cache --event cpu-clock --freq 99 -g --pid "$target"
        --output "$scratch/perf.data" -- sleep "$on")
      ;;
    "perf trace -s") command=(timeout --signal INT "$on" perf trace -s --pid "$target") ;;
    "strace -c -f") command=(timeout --signal INT "$on" strace -c -f -p "$target") ;;
  esac
  command -v "${command[0]}" >/dev/null
}

# The last line of the target that is whole: work done, CPU seconds, clock.
now() { tail -n 3 "$scratch/log" | awk 'NF == 3 { line = $0 } END { print line }'; }

# Throughput over the next window: in a second of CPU time, and in one of the clock. A window in which a stopped target
# says nothing is made longer, twice at most.
throughput() {
  local before after try
  before=$(now)
  for ((try = 0; try < 3; try++)); do
    sleep "$window"
    after=$(now)
    [[ ${after##* } == "${before##* }" ]] || break
  done
  awk -v before="$before" -v after="$after" 'BEGIN {
    split(before, b); split(after, a)
    if (a[2] <= b[2] || a[3] <= b[3]) exit 1
    printf "%.6f %.6f\n", (a[1] - b[1]) / (a[2] - b[2]), (a[1] - b[1]) / (a[3] - b[3])
  }'
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

pair() { # TOOL FILE
  local without with
  sleep 0.5
  without=$(throughput) || return 1
  "${command[@]}" >"$scratch/output" 2>"$scratch/errors" </dev/null &
  tool=$!
  sleep "$lead"
  with=$(throughput) || return 1
  # A tool that has ended before the window has measured nothing.
  kill -0 "$tool" 2>/dev/null || return 1
  wait "$tool" || [[ $1 == "strace -c -f" || $1 == "perf trace -s" ]] || return 1
  tool=
  echo "$with $without" | awk '{ print $1 / $3, $2 / $4, $4 }' >>"$2"
}

printf '%s, Linux %s, %s CPUs, %s; medians of %s pairs of %s s\n' "$(date -u +%F)" "$(uname -r)" "$(nproc)" \
  "$("$DIAG" --version)" "$pairs" "$window"
printf '\n  %-10s %-20s %12s %12s %14s\n' WORKLOAD TOOL "BY CPU TIME" "BY THE CLOCK" "WITHOUT, 1/S"
missed=0
unmeasured=0
for workload in "${workloads[@]}"; do
  limit_cpu=0 limit_clock=0
  work=("$workload")
  case $workload in
    spin | ping-pong | calls)
      tools=(nothing "diag, 99 Hz" "perf record, 99 Hz")
      limit_cpu=0.99
      ;;
    dd-1)
      tools=(nothing "diag, calls" "perf trace -s" "strace -c -f")
      limit_clock=0.65
      work=(dd-1 3000000)
      ;;
    dd-64k)
      tools=(nothing "diag, calls" "perf trace -s" "strace -c -f")
      limit_clock=0.90
      work=(dd-64k 500000)
      ;;
    dd-full)
      tools=(nothing "diag, calls" "perf trace -s" "strace -c -f")
      work=(dd-1)
      ;;
    *)
      echo "no such workload: $workload" >&2
      exit 2
      ;;
  esac
  : >"$scratch/log"
  "$scratch/rate" "${work[@]}" >>"$scratch/log" &
  target=$!
  sleep 1
  for ((round = 0; round < pairs; round++)); do
    for ((turn = 0; turn < ${#tools[@]}; turn++)); do
      # Each round starts with another, so that none is always measured after the same one.
      index=$(((round + turn) % ${#tools[@]}))
      command=()
      if ! kill -0 "$target" 2>/dev/null; then
        echo "$workload has ended: see what rate says above" >&2
        exit 2
      fi
      prepare "${tools[index]}" || continue
      if ! pair "${tools[index]}" "$scratch/$workload.$index"; then
        echo "failed: ${command[*]}" >&2
        head -n 5 "$scratch/errors" >&2
        unmeasured=1
        [[ -z $tool ]] || { kill "$tool" 2>/dev/null || true; wait "$tool" 2>/dev/null || true; }
        tool=
      fi
    done
  done
  kill "$target"
  wait "$target" 2>/dev/null || true
  target=
  off=0
  for index in "${!tools[@]}"; do
    file=$scratch/$workload.$index
    if [[ ! -s $file ]]; then
      printf '  %-10s %-20s %12s\n' "$workload" "${tools[index]}" "not measured"
      unmeasured=1
      continue
    fi
    by_cpu=$(cut -d' ' -f1 "$file" | median)
    by_clock=$(cut -d' ' -f2 "$file" | median)
    plain=$(cut -d' ' -f3 "$file" | median)
    note=
    case ${tools[index]} in
      nothing) off=$(awk -v ratio="$by_cpu" 'BEGIN { print ratio < 1 ? 1 - ratio : ratio - 1 }') ;;
      diag*)
        if [[ $limit_cpu$limit_clock == 00 ]]; then
          note="no limit"
        elif awk -v cpu="$by_cpu" -v clock="$by_clock" -v off="$off" -v limit_cpu="$limit_cpu" -v limit_clock="$limit_clock" \
          'BEGIN { exit !(cpu + off >= limit_cpu && clock >= limit_clock) }'; then
          note=met
        else
          note=MISSED
          missed=1
        fi
        ;;
    esac
    printf '  %-10s %-20s %12.4f %12.4f %14.0f  %s\n' "$workload" "${tools[index]}" "$by_cpu" "$by_clock" "$plain" "$note"
  done
done

((missed == 0)) || exit 1
((unmeasured == 0)) || exit 2
