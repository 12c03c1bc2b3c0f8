#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/new_system/check_new_system.sh BUILD_FOLDER SOURCE_FOLDER: lets `tenfold new-system` write a system into a copy of the
# source tree, builds the copy (ccache has nearly all objects of it), and runs the system's own tests, the conformance
# suite, the checks of the sources, and train, eval and export as a user would.
set -euo pipefail
build=$1 tree=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
copy=$folder/tree
name=trial-line
log=$folder/log.txt

fail() { echo "FAILED: $*" >&2; tail -n 40 "$log" >&2; exit 1; }
run() { "$@" >"$log" 2>&1 || fail "$*"; }

echo "--- a copy of the tree"
mkdir "$copy"
tar -C "$tree" --exclude=./build --exclude=./.git --exclude=./demo -cf - . | tar -C "$copy" -xf -

echo "--- new-system $name"
"$build/bin/tenfold" new-system "$name" --tree "$copy" | tee "$folder/written.txt"
grep -q '^new  .*src/tenfold/systems/trial_line/model.cc$' "$folder/written.txt" || fail "model.cc was not announced"

echo "--- the checks of the sources"
cd "$copy"
run python3 tools/check_source.py
run python3 tools/check_includes.py
if command -v clang-format-14 >/dev/null; then run tools/format.sh --in-place; fi  # a name's length moves line breaks

echo "--- build"
run cmake --preset release -Wno-dev
run ninja -C build/release -j 2 trial_line_test conformance_test program

echo "--- its tests and the conformance suite"
export OMP_NUM_THREADS=1
"$build/bin/tenfold" doctor >/dev/null  # the machine's peak is measured once, not inside a test
run build/release/bin/trial_line_test
run build/release/bin/conformance_test --gtest_filter='*trial_line*'
grep -q -E '\[  PASSED  \] ([1-9][0-9]+) tests' "$log" || fail "fewer than ten cases of the suite knew $name"
grep '\[  PASSED  \]' "$log"

echo "--- train, eval, export"
tenfold=build/release/bin/tenfold
run "$tenfold" "$name" train --preset demo --out "$folder/run" --threads 1
run "$tenfold" "$name" eval "$folder/run"
run "$tenfold" "$name" export "$folder/run" --out "$folder/bundle"
run "$tenfold" info "$folder/bundle/model"
run "$tenfold" list --state works
grep -q "$name" "$log" || fail "tenfold list does not know $name"
run "$tenfold" "$name" --help
grep -q "^  train " "$log" || fail "the help page of $name does not list its verbs"
echo "--- done"
