#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/coverage.sh FOLDER [JOBS]: builds and runs the unit tests of base, config, io, report and serve in a --coverage build and
# reports the lines of these folders they reach. Exit code 1 below 90 %.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 jobs=${2:-$(nproc)}
tests=(base_test config_test io_test malformed_test report_test serve_test)
ninja -C "$build" -j "$jobs" "${tests[@]}"
find "$build" -name '*.gcda' -delete
for test in "${tests[@]}"; do
  (cd "$build" && "bin/$test" --gtest_brief=1)
done
gcovr --root . --object-directory "$build" --gcov-ignore-parse-errors --exclude-throw-branches \
      --filter 'src/tenfold/(base|config|io|report|serve)/' --sort-uncovered --fail-under-line 90 \
      --html-details "$build/coverage.html" --txt "$build/coverage.txt" "$build/src" || {
  tail -n 60 "$build/coverage.txt"
  echo "error: coverage: gcovr failed, or fewer than 90 % of the lines are tested" >&2
  echo "  remedy: see the uncovered lines in $build/coverage.html and add tests" >&2
  exit 1
}
cat "$build/coverage.txt"
