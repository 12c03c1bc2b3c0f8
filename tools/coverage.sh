#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/coverage.sh FOLDER: runs the fast tests of a --coverage build and reports the lines of base, config, io and
# report they reach. Exit code 1 below 90 %.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
find "$build" -name '*.gcda' -delete
tools/run_tests.sh "$build:fast"
gcovr --root . --object-directory "$build" --gcov-ignore-parse-errors --exclude-throw-branches \
      --filter 'src/tenfold/(base|config|io|report)/' --sort-uncovered --fail-under-line 90 \
      --html-details "$build/coverage.html" --txt "$build/coverage.txt" || {
  tail -n 60 "$build/coverage.txt"
  echo "error: coverage: fewer than 90 % of the lines are tested; see $build/coverage.html" >&2
  exit 1
}
cat "$build/coverage.txt"
