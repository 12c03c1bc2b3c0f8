#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/run_tests.sh sums the phases, counts what could not start as failed, and prints its line last. ctest is played by a
# script that writes a given JUnit file.
set -euo pipefail
tool=$(cd "$(dirname "$0")/../.." && pwd)/tools/run_tests.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/none"
cat >"$folder/bin/ctest" <<'TEXT'
#!/bin/bash
while [ $# -gt 0 ]; do
  case $1 in --test-dir) from=$2 ;; --output-junit) to=$2 ;; esac
  shift
done
[ -f "$from/junit.xml" ] || exit 8
cp "$from/junit.xml" "$to"
exit "$(cat "$from/status")"
TEXT
chmod +x "$folder/bin/ctest"

# phase NAME STATUS LINE...: a build folder whose ctest exits STATUS and reports the lines.
phase() {
  local name=$1 status=$2
  shift 2
  mkdir "$folder/$name"
  printf '%s' "$status" >"$folder/$name/status"
  printf '<testsuite name="x"\n\ttests="9">\n%s\n</testsuite>\n' "$(printf '%s\n' "$@")" >"$folder/$name/junit.xml"
}
pass='<testcase name="a" classname="a" time="0.1" status="run">'
fail='<testcase name="b" classname="b" time="0.1" status="fail">'
skip='<testcase name="c" classname="c" time="0" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>'
lost='<testcase name="d" classname="d" time="0" status="notrun"><skipped message="Unable to find executable"/>'

# expect STATUS LAST_LINE ARGUMENT...
expect() {
  local status=0 last
  last=$(PATH=$folder/bin:$PATH "$tool" "${@:3}" 2>&1 | tail -n 1) || status=1
  if [ "$status" != "$1" ] || [ "$last" != "$2" ]; then
    echo "run_tests.sh ${*:3}: exit $status '$last', wanted exit $1 '$2'" >&2
    exit 1
  fi
}
phase good 0 "$pass" "$pass"
phase mixed 0 "$pass" "$skip"
phase bad 8 "$pass" "$fail" "$fail"
phase lost 8 "$pass" "$lost"
phase crash 139 "$pass"
phase empty 0 "$skip"
expect 0 "2 passed, 0 failed" "$folder/good:"
expect 0 "3 passed, 0 failed, 1 skipped" "$folder/good:" "$folder/mixed:fast"
expect 1 "3 passed, 2 failed" "$folder/bad:" "$folder/good:"
expect 1 "1 passed, 1 failed" "$folder/lost:"
expect 1 "1 passed, 1 failed" "$folder/crash:"
expect 1 "0 passed, 0 failed, 1 skipped" "$folder/empty:"
expect 1 "0 passed, 1 failed" "$folder/none:"
echo "run_tests.sh: 7 cases as promised"
