#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/run_fuzzers.sh FOLDER SECONDS: runs every fuzz_* program of FOLDER/bin for SECONDS, starting from the committed
# corpus; new inputs and findings stay below FOLDER.
set -euo pipefail
build=$1 seconds=$2
tree=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$build" && pwd)
failures=0 ran=0
mkdir -p "$build/findings"
for program in "$build"/bin/fuzz_*; do
  [ -x "$program" ] || continue
  name=$(basename "$program")
  name=${name#fuzz_}
  corpus=$build/corpus/$name
  mkdir -p "$corpus"
  seeds=()
  [ ! -d "$tree/fuzz/corpus/$name" ] || seeds=("$tree/fuzz/corpus/$name")
  log=$build/findings/$name.log status=0
  "$program" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 -verbosity=0 \
             -artifact_prefix="$build/findings/$name-" "$corpus" "${seeds[@]}" >"$log" 2>&1 || status=$?
  inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  printf '==> fuzz %-16s %3s s, %9s inputs, exit code %d\n' "$name" "$seconds" "${inputs:-?}" "$status"
  if [ "$status" -ne 0 ]; then
    tail -n 40 "$log" >&2
    printf 'error: fuzz: %s found a failing input; it is kept as %s/findings/%s-*\n' "$name" "$build" "$name" >&2
    printf '  remedy: repeat with %s FILE, fix, and add FILE to fuzz/corpus/%s\n' "$program" "$name" >&2
    failures=$((failures + 1))
  fi
  ran=$((ran + 1))
done
printf '%d harnesses ran, %d with findings\n' "$ran" "$failures"
[ "$failures" -eq 0 ] && [ "$ran" -gt 0 ]
