#!/usr/bin/env bash
# What diag costs, next to other tools in the same run.
#
#   benches/cost.sh [PROCESSES]     default 10000, for which the limits are meant; root is not needed, except for
#                                   the run among 2,000 control groups, which it makes and removes
#
# Needs cargo and its C compiler (cc), top from procps and pidstat from sysstat; installs nothing. It takes about
# two minutes after the build. The sleeping processes need about 200 KiB each and ids below pid_max and ulimit -u.
#
# Environment: DIAG and SCAN are the programs to measure, instead of the release build of this tree and of its
# benches/scan.rs.
#
# CPU time is that of the process and its threads, user and system, as wait4(2) gives it. The tools take turns, so
# that other work on the box disturbs all alike; every figure is a median. Compare ratios, not milliseconds: those
# depend on the machine.
#
# Exit code: 0 every limit is met, 1 one is missed, 2 something could not be measured.
set -euo pipefail

processes=${1:-10000}
rounds=3
if ! [[ $processes =~ ^[1-9][0-9]{0,6}$ ]]; then
  echo "usage: $0 [PROCESSES]" >&2
  exit 2
fi

cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
crowd_pid=
groups=()
missed=0
unmeasured=0

cleanup() {
  if [[ -n $crowd_pid ]]; then
    # It ends its children, each by its id, and they end with it in any case.
    kill "$crowd_pid" 2>/dev/null || true
    wait "$crowd_pid" 2>/dev/null || true
  fi
  remove_groups
  rm -rf "$scratch"
}

# Leaves first: a group with children cannot be removed.
remove_groups() {
  local group
  for group in "${groups[@]}"; do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  groups=()
}
trap cleanup EXIT
trap 'exit 2' INT TERM

# `helper crowd N` keeps N sleeping processes until it is ended, ten minutes at most.
# `helper run PROGRAM...` prints the CPU time in ms and the peak memory in KiB; it ends the program after a minute.
# Small and in C, because a program's peak memory is never below that of the process it was started from.
cat > "$scratch/helper.c" <<'C'
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void end_child(int signal_number) {
  (void)signal_number;
  kill(child, SIGKILL);
}

static int crowd(long wanted) {
  pid_t own = getpid(), *pids = calloc((size_t)wanted, sizeof *pids);
  long count = 0;
  int reason = 0, which;
  sigset_t ends;
  if (!pids) return 2;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGALRM);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  while (count < wanted) {
    pid_t pid = fork();
    if (pid < 0) { reason = errno; break; }
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != own) _exit(0);
      sigprocmask(SIG_UNBLOCK, &ends, NULL);
      for (;;) pause();
    }
    pids[count++] = pid;
  }
  printf("%ld %s\n", count, reason ? strerror(reason) : "");
  fflush(stdout);
  alarm(600);
  sigwait(&ends, &which);
  for (long i = 0; i < count; i++) kill(pids[i], SIGKILL);
  for (long i = 0; i < count; i++) waitpid(pids[i], NULL, 0);
  return 0;
}

static int run(char **arguments) {
  struct rusage usage;
  int status;
  child = fork();
  if (child < 0) return 2;
  if (child == 0) {
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execvp(arguments[0], arguments);
    _exit(127);
  }
  signal(SIGALRM, end_child);
  alarm(60);
  while (wait4(child, &status, 0, &usage) < 0)
    if (errno != EINTR) return 2;
  if (!WIFEXITED(status) || WEXITSTATUS(status)) return 2;
  printf("%.3f %ld\n",
         (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
             (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3,
         usage.ru_maxrss);
  return 0;
}

int main(int count, char **arguments) {
  if (count == 3 && !strcmp(arguments[1], "crowd")) return crowd(atol(arguments[2]));
  if (count > 2 && !strcmp(arguments[1], "run")) return run(arguments + 2);
  return 2;
}
C
cc -O1 -o "$scratch/helper" "$scratch/helper.c"

measure() {
  "$scratch/helper" run "$@" || {
    echo "this failed or took more than a minute: $*" >&2
    exit 2
  }
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

cannot() {
  printf '  %-52s %s\n' "$1" "not measured: $2"
  unmeasured=1
}

# row WHAT FIGURE UNIT LIMIT ('<=' or '<', then a number)
row() {
  local verdict=met
  if ! awk -v figure="$2" -v limit="${4##* }" -v strict="${4%% *}" \
    'BEGIN { exit !(strict == "<" ? figure < limit : figure <= limit) }'; then
    verdict=MISSED
    missed=1
  fi
  printf '  %-52s %10.2f %-6s limit %-8s %s\n' "$1" "$2" "$3" "$4" "$verdict"
}

# Busy share of all CPUs over two seconds, steal apart, in per cent.
busy_now() {
  local before after
  before=$(head -1 /proc/stat)
  sleep 2
  after=$(head -1 /proc/stat)
  awk -v before="$before" -v after="$after" 'BEGIN {
    split(before, b); n = split(after, a)
    for (i = 2; i <= n && i <= 9; i++) { d[i] = a[i] - b[i]; total += d[i] }
    if (total > 0) printf "%.1f %.1f", 100 * (total - d[5] - d[6] - d[9]) / total, 100 * d[9] / total
  }'
}

echo "building"
if [[ -z ${DIAG:-} ]]; then
  cargo build --release --locked --quiet
  DIAG=${CARGO_TARGET_DIR:-target}/release/diag
fi
[[ -n ${SCAN:-} ]] || cargo bench --bench scan --locked --quiet --no-run

read -r busy steal <<<"$(busy_now)"
printf '%s, Linux %s, %s CPUs; before the start other work took %s %% of them, the hypervisor %s %%\n' \
  "$(date -u +%F)" "$(uname -r)" "$(nproc)" "$busy" "$steal"

echo
echo "The box as it is ($(find /proc -maxdepth 1 -regex '/proc/[0-9]+' | wc -l) processes)"
for ((round = 0; round < 5; round++)); do
  for seconds in 1 2 3; do
    measure "$DIAG" --format json --interval "${seconds}s" >>"$scratch/quiet.$seconds"
  done
done
# A straight line through the medians for windows of 1, 2 and 3 s: its slope is what a second of the window costs,
# its value at 0 is what the start, the two scans, the diagnosis and the end cost.
for seconds in 1 2 3; do cut -d' ' -f1 "$scratch/quiet.$seconds" | median; done |
  awk '{ y[NR] = $1 } END { slope = (y[3] - y[1]) / 2; print (y[1] + y[2] + y[3]) / 3 - 2 * slope, slope }' \
    >"$scratch/line"
read -r outside per_second <"$scratch/line"
row "CPU of a run outside its window (extrapolated to 0 s)" "$outside" ms "<= 30"
row "CPU of the sampling in a second of the window" "$per_second" ms "<= 10"

echo
echo "With 2000 control groups in every hierarchy"
# Hierarchies with limits: version 2, and those of version 1 that diag reads.
mapfile -t hierarchies < <(awk '{
  for (i = 7; i < NF && $i != "-"; i++);
  if ($(i + 1) == "cgroup2" || ($(i + 1) == "cgroup" && $(i + 3) ~ /(^|,)(cpu|memory|blkio|pids)(,|$)/)) print $5
}' /proc/self/mountinfo)
for hierarchy in "${hierarchies[@]}"; do
  mkdir "$hierarchy/diag-cost-$$" 2>/dev/null || continue
  groups+=("$hierarchy/diag-cost-$$")
  for ((i = 0; i < 40; i++)); do
    mkdir -p "$hierarchy/diag-cost-$$/$i"/{1..49} 2>/dev/null || break
  done
done
made=$(find "${groups[@]:-/nowhere}" -mindepth 1 -type d 2>/dev/null | wc -l)
if ((${#groups[@]} == 0 || made < 2000 * ${#groups[@]})); then
  cannot "the limit for 2000 control groups" "they cannot be made here: root is needed, outside of a container"
else
  for ((round = 0; round < rounds; round++)); do
    measure "$DIAG" --format json >>"$scratch/groups"
  done
  row "CPU of diag --format json" "$(cut -d' ' -f1 "$scratch/groups" | median)" ms "<= 150"
fi
remove_groups

"$scratch/helper" crowd "$processes" >"$scratch/crowd" &
crowd_pid=$!
for ((i = 0; i < 600; i++)); do
  [[ -s $scratch/crowd ]] && break
  sleep 0.1
done
read -r started reason <"$scratch/crowd" || true
echo
echo "With ${started:-0} more processes that sleep"
if [[ ${started:-0} -lt $processes ]]; then
  cannot "the limits for $processes processes" "only ${started:-0} could be started: ${reason:-it took too long}"
fi
sleep 2

if [[ -n ${SCAN:-} ]]; then "$SCAN"; else cargo bench --bench scan --locked --quiet; fi >"$scratch/scan"
value() { tr ' ' '\n' <"$scratch/scan" | sed -n "s/^$1=//p"; }
row "pass over every stat, times the bare system calls" "$(value stat_ratio)" x "<= 1.3"
printf '  %-52s %10.2f x      (%s, %s and %s ms)\n' "pass over every stat and io, times the same" \
  "$(value stat_and_io_ratio)" "$(value bare_ms)" "$(value stat_ms)" "$(value stat_and_io_ms)"

have_top=$(command -v top || true)
have_pidstat=$(command -v pidstat || true)
for ((round = 0; round < rounds; round++)); do
  measure "$DIAG" --format json >>"$scratch/diag"
  # Without the user's own settings, and as a fresh account would see it.
  [[ -z $have_top ]] || HOME=$scratch XDG_CONFIG_HOME=$scratch measure top -b -d 5 -n 2 >>"$scratch/top"
  [[ -z $have_pidstat ]] || measure pidstat -u -d -r 5 1 >>"$scratch/pidstat"
done
diag_ms=$(cut -d' ' -f1 "$scratch/diag" | median)
diag_mib=$(cut -d' ' -f2 "$scratch/diag" | sort -n | tail -1 | awk '{ print $1 / 1024 }')
printf '  %-52s %10.2f ms\n' "CPU of diag --format json" "$diag_ms"
compare() { # NAME FILE SHARE LIMIT
  local peer_ms
  peer_ms=$(cut -d' ' -f1 "$2" | median)
  printf '  %-52s %10.2f ms\n' "CPU of $1" "$peer_ms"
  row "CPU of diag, by that of ${1%% *}" "$(awk -v a="$diag_ms" -v b="$peer_ms" 'BEGIN { print a / b }')" x "$3"
}
if [[ -n $have_top ]]; then
  compare "top -b -d 5 -n 2" "$scratch/top" "< 1"
else
  cannot "CPU of top" "install procps"
fi
if [[ -n $have_pidstat ]]; then
  compare "pidstat -u -d -r 5 1" "$scratch/pidstat" "< 0.333"
else
  cannot "CPU of pidstat" "install sysstat"
fi
row "peak memory of diag" "$diag_mib" MiB "<= 24"

echo
if ((missed)); then
  echo "a limit is missed"
  exit 1
elif ((unmeasured)); then
  echo "not everything could be measured"
  exit 2
fi
echo "every limit is met"
