# What the groups share. To be sourced by one that has set -euo pipefail.
# shellcheck shell=bash

scratch=$(mktemp -d)
pids=()
failures=0

# Ends what was started here, by its id, and nothing else.
clean_up() {
  local pid
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$scratch"
}
trap clean_up EXIT

ok() { echo "ok $1: $2"; }

failed() {
  echo "FAILED $1: $2"
  failures=$((failures + 1))
}

skipped() {
  if [[ -n ${INSTALL-} ]]; then failed "$1" "$2"; else echo "skipped $1: $2"; fi
}

# install PROGRAM PACKAGE ...: the Debian packages of the programs that are missing.
install_missing() {
  [[ -n ${INSTALL-} ]] || return 0
  local missing=()
  while (($#)); do
    command -v "$1" >/dev/null || missing+=("$2")
    shift 2
  done
  ((${#missing[@]})) || return 0
  echo "installing ${missing[*]}"
  # Where no service may start by itself, their packages still install.
  export DEBIAN_FRONTEND=noninteractive
  {
    apt-get update --quiet
    apt-get install --quiet --yes --no-install-recommends "${missing[@]}"
  } >"$scratch/apt" 2>&1 || tail -n 5 "$scratch/apt"
}

has() { command -v "$1" >/dev/null; }

# A port of the loopback interface that nobody listens on.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for SECONDS COMMAND ...: until it succeeds.
wait_for() {
  local tries=$(($1 * 5))
  shift
  until "$@" >/dev/null 2>&1; do
    ((tries-- > 0)) || return 1
    sleep 0.2
  done
}

end_group() { ((failures == 0)); }
