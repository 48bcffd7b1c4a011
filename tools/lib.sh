# shellcheck shell=bash
# lib.sh: what the scripts of this folder share. Source it; it moves to the top of the repository.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$REPO" || exit

# Exit statuses, the same as pagealloc-bench's where both have one.
EXIT_USAGE=2
EXIT_ENVIRONMENT=5
export EXIT_USAGE EXIT_ENVIRONMENT

SCRIPT=$(basename "$0")

# Notes go to stderr: stdout carries results only.
note() { printf '%s: %s\n' "$SCRIPT" "$*" >&2; }

# die STATUS MESSAGE...
die() {
  local status=$1
  shift
  note "$@"
  exit "$status"
}

# logged FILE COMMAND...: runs COMMAND with its output in FILE; shows the end of FILE when it fails.
# On a terminal the output is shown as it comes, too.
logged() {
  local log=$1 status=0
  shift
  mkdir -p "$(dirname "$log")"
  if [[ -t 2 ]]; then
    "$@" 2>&1 | tee "$log" >&2 || status=$?
  else
    "$@" >"$log" 2>&1 || status=$?
    if ((status != 0)); then
      tail -n 40 "$log" >&2
    fi
  fi
  if ((status != 0)); then
    note "failed with status $status: $* (whole output: ${log#"$REPO"/})"
  fi
  return "$status"
}
