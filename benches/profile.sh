#!/usr/bin/env bash
# diag's hottest functions beside perf's, of the same programs in the same seconds.
#
#   benches/profile.sh [--alternate] [WORKLOAD...]
#
# Workloads: native-fp native-nofp templates generic worker node python kernel; all of them where none is given.
# --alternate runs one profiler after the other instead of both at once, so that neither disturbs the other.
#
# Needs perf, python3, cc, binutils and the right to profile; the workloads need c++, rustc, go, node and a Python with
# `-X perf` (3.12), and are left out where those are missing. It takes about a quarter of a minute for each workload.
#
# Environment: DIAG is the program to look at, instead of target/release/diag; WINDOW the seconds for each workload (12);
# FREQUENCY the samples a second (499): with 6,000 samples on both sides a share is true to about one point, so that
# three are no chance.
#
# Exit code: 0 of perf's ten hottest functions at least nine are among diag's, and all shares are within three points;
# 1 this is missed by a workload; 2 something could not be run.
set -euo pipefail

own=$(cd "$(dirname "$0")" && pwd)
DIAG=${DIAG:-${CARGO_TARGET_DIR:-$own/../target}/release/diag}
window=${WINDOW:-12}
frequency=${FREQUENCY:-499}
alternate=
if [[ ${1:-} == --alternate ]]; then
  alternate=1
  shift
fi
workloads=("$@")
((${#workloads[@]})) || workloads=(native-fp native-nofp templates generic worker node python kernel)

for program in perf python3 cc nm c++filt readelf "$DIAG"; do
  if ! command -v "$program" >/dev/null; then
    echo "not found: $program" >&2
    exit 2
  fi
done

scratch=$(mktemp -d)
target=
perf_pid=
cleanup() {
  for pid in $perf_pid $target; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [[ -z $target ]] || rm -f "/tmp/perf-$target.map"
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 2' INT TERM

# A Python that writes its functions into a map, or any.
python_with_map() {
  local candidate probe='import os, sys
active = sys.is_stack_trampoline_active()
os.unlink(f"/tmp/perf-{os.getpid()}.map")
sys.exit(not active)'
  for candidate in python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python3 python3; do
    if "$candidate" -X perf -c "$probe" 2>/dev/null; then
      echo "$candidate -X perf"
      return
    fi
  done
  echo python3
}

# Sets `command` to what runs the workload, once it is built; fails where that cannot be done here.
prepare() {
  local source=$own/profile program=$scratch/$1
  case $1 in
    native-fp) cc -O2 -fno-omit-frame-pointer -o "$program" "$source/native.c" ;;
    native-nofp) cc -O2 -fomit-frame-pointer -o "$program" "$source/native.c" ;;
    kernel) cc -O2 -o "$program" "$source/kernel.c" ;;
    templates) command -v c++ >/dev/null && c++ -O2 -o "$program" "$source/templates.cpp" ;;
    generic)
      command -v rustc >/dev/null &&
        rustc --edition 2024 -O -C symbol-mangling-version=v0 -o "$program" "$source/generic.rs"
      ;;
    worker) command -v go >/dev/null && GOCACHE=$scratch/go go build -o "$program" "$source/worker.go" ;;
    node)
      command=(node --perf-basic-prof "$source/hot.js")
      command -v node >/dev/null
      return
      ;;
    python)
      read -ra command <<<"$(python_with_map)"
      command+=("$source/hot.py")
      command -v "${command[0]}" >/dev/null
      return
      ;;
    *)
      echo "no such workload: $1" >&2
      exit 2
      ;;
  esac || return 1
  command=("$program")
}

run_perf() {
  perf record --quiet --no-buildid-cache --event cpu-clock --freq "$frequency" -g --pid "$target" \
    --output "$scratch/perf.data" -- sleep "$window" >"$scratch/perf.log" 2>&1 </dev/null
}

run_diag() {
  "$DIAG" --pid "$target" --profile --profile-mode on-cpu --frequency "$frequency" --interval "${window}s" \
    --format json >"$scratch/diag.json"
}

fail() {
  echo "$1" >&2
  sed 's/^/  /' "$scratch/perf.log" >&2 || true
  exit 2
}

printf '%s, Linux %s, %s CPUs, %s, %s; %s s at %s Hz%s\n' "$(date -u +%F)" "$(uname -r)" "$(nproc)" \
  "$(perf --version)" "$("$DIAG" --version)" "$window" "$frequency" "${alternate:+, one after the other}"
missed=()
left_out=()
for workload in "${workloads[@]}"; do
  command=()
  if ! prepare "$workload"; then
    left_out+=("$workload")
    continue
  fi
  # Where node may leave its log.
  (cd "$scratch" && exec "${command[@]}" >/dev/null) &
  target=$!
  # Until it is warm: compiled, and its map written.
  sleep 2
  kill -0 "$target" 2>/dev/null || fail "$workload does not run"
  if [[ -n $alternate ]]; then
    run_perf || fail "perf failed on $workload"
    run_diag || fail "diag failed on $workload"
  else
    run_perf &
    perf_pid=$!
    run_diag || fail "diag failed on $workload"
    wait "$perf_pid" || fail "perf failed on $workload"
    perf_pid=
  fi
  # While the process is still there, and with it its map.
  result=0
  "$own/profile/compare" "$workload" "$scratch/perf.data" "$scratch/diag.json" || result=$?
  case $result in
    0) ;;
    1) missed+=("$workload") ;;
    *) fail "nothing to compare for $workload" ;;
  esac
  kill "$target"
  wait "$target" 2>/dev/null || true
  rm -f "/tmp/perf-$target.map"
  target=
done

echo
((${#left_out[@]} == 0)) || echo "not run, compiler or runtime missing: ${left_out[*]}"
if ((${#missed[@]})); then
  echo "missed: ${missed[*]}"
  exit 1
fi
((${#left_out[@]} == 0)) || exit 2
echo "met by all"
