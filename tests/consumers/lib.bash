# What the groups share. To be sourced by one that has set -euo pipefail, and was started by run.
# shellcheck shell=bash disable=SC2034

if [[ -z ${RESULTS-} ]]; then
  echo "started by tests/consumers/run ${0##*/}" >&2
  exit 2
fi
here=$REPOSITORY/tests/consumers
captures=$REPOSITORY/tests/captures
contrib=$REPOSITORY/contrib
# Two windows of programs with hostile names; hostile/record makes them.
hostile=("$here/hostile/image.diag" "$here/hostile/bytes.diag")
all_captures=("${hostile[@]}" "$captures"/*/window.diag)
scratch=$(mktemp -d)
# Some of the programs drop root.
chmod 755 "$scratch"
pids=()
at_exit=()
untried=()

# Ends what was started here, by its id, and nothing else.
clean_up() {
  local pid command
  trap - EXIT
  ((${#untried[@]} == 0)) || failed "${untried[0]#*_}" "ended before it could tell; not tried after it: ${untried[*]:1}"
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  # keepalived leaves its children behind when it is not given time.
  for pid in "${pids[@]}"; do
    wait_for 10 ended "$pid" || kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  for command in "${at_exit[@]}"; do $command || true; done
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ended() { ! kill -0 "$1" 2>/dev/null || [[ $(ps -o stat= -p "$1") == Z* ]]; }

# say WORD NAME TEXT: one line of what is seen, whatever is in it.
say() {
  local text=${3//$'\n'/ }
  text=${text//[[:cntrl:]]/?}
  printf '%s %s: %s\n' "$1" "$2" "${text:0:500}" | tee -a "$RESULTS"
}
ok() { say ok "$@"; }
failed() { say FAILED "$@"; }
# For what this machine does not allow. What is not installed is `need`'s.
skipped() { say skipped "$@"; }

# in_turn FUNCTION...: calls them. One in which something fails that it did not expect is the last.
in_turn() {
  untried=("$@")
  while ((${#untried[@]})); do
    "${untried[0]}"
    untried=("${untried[@]:1}")
  done
}

# need NAME PROGRAM...: whether they are all there. Where they were to be installed, they have to be.
need() {
  local name=$1 program
  shift
  for program; do
    if ! command -v "$program" >/dev/null; then
      if [[ $INSTALL ]]; then failed "$name" "$program could not be installed"; else skipped "$name" "$program is not installed"; fi
      return 1
    fi
  done
}

# Sets port to one of the loopback interface that is free; below those that the kernel gives to clients.
next_port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
free_port() {
  until port=$next_port && next_port=$((next_port + 1)) && python3 -c '
import socket, sys
socket.socket().bind(("127.0.0.1", int(sys.argv[1])))' "$port" 2>/dev/null; do :; done
}

# wait_for SECONDS COMMAND...: until it succeeds. The time is what a machine that is very busy may need.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

# start LOG COMMAND...: in the background until the group ends; its id is $!.
start() {
  local log=$1
  shift
  # It ends with this group, also where that is killed.
  setpriv --pdeathsig TERM "$@" >"$log" 2>&1 &
  pids+=("$!")
}

# Ends the process PID, now.
end() {
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# receive NAME: starts a server that answers 200 and keeps each body as a line of $scratch/NAME; sets port.
receive() {
  free_port
  start "$scratch/$1.log" python3 "$here/receive.py" "$port" "$scratch/$1"
  wait_for 60 test -e "$scratch/$1"
}

# box_of CAPTURE: a box in $box that is as it was then, for diag --root; from now on, or as another one.
box=$scratch/box
box_of() {
  if [[ ! -d $box ]]; then
    mkdir "$box"
    exec {box_input}> >(exec python3 "$here/box.py" "$box" "$1")
    pids+=("$!")
  elif ! grep -qxF "$1" "$box/ready"; then
    echo "$1" >&"$box_input"
  fi
  wait_for 60 grep -qxF "$1" "$box/ready"
}
