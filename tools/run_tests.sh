#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/run_tests.sh FOLDER:LABEL...: runs ctest in each build folder (LABEL empty: all tests) and prints, as the last
# line, "N passed, N failed" (", N skipped" when some were). Exit code 1 when a test failed or none ran.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: tools/run_tests.sh BUILD_FOLDER:LABEL..." >&2; exit 2; }

passed=0 failed=0 skipped=0
results=$(mktemp)
trap 'rm -f "$results"' EXIT

count() { grep -c -E "$1" "$results" || true; }

# Adds the counts of ctest's JUnit file. A test that could not start ("notrun") failed, unless it asked to be skipped.
add_counts() {
  local status=$1 new_failed new_skipped
  new_failed=$(count '<testcase .*status="fail"')
  new_skipped=$(count '<skipped message="SKIP_')
  new_failed=$((new_failed + $(count '<testcase .*status="notrun"') - new_skipped))
  if [ "$status" -ne 0 ] && [ "$new_failed" -eq 0 ]; then new_failed=1; fi  # ctest itself failed
  passed=$((passed + $(count '<testcase .*status="run"')))
  failed=$((failed + new_failed))
  skipped=$((skipped + new_skipped + $(count '<testcase .*status="disabled"')))
}

for phase in "$@"; do
  folder=${phase%%:*} label=${phase#*:}
  selection=()
  if [ -n "$label" ]; then selection=(-L "^$label\$"); fi
  printf '==> tests of %s%s: ctest -j %d\n' "$folder" "${label:+, label $label}" "${TEST_JOBS:-2}"
  start=$SECONDS status=0
  : >"$results"
  ctest --test-dir "$folder" --no-tests=error --output-on-failure -j "${TEST_JOBS:-2}" \
        --output-junit "$results" "${selection[@]}" || status=$?
  add_counts "$status"
  printf '==> tests of %s: done in %d s\n' "$folder" $((SECONDS - start))
done

line="$passed passed, $failed failed"
if [ "$skipped" -gt 0 ]; then line="$line, $skipped skipped"; fi
printf '%s\n' "$line"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
