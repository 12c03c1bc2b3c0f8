#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/step.sh TEXT COMMAND...: says what begins, runs it, says how long it took.
set -eu
text=$1
shift
printf '==> %s: %s\n' "$text" "$*"
start=$(date +%s)
status=0
"$@" || status=$?
if [ "$status" -eq 0 ]; then
  printf '==> %s: done in %d s\n' "$text" $(($(date +%s) - start))
else
  printf '==> %s: failed with exit code %d after %d s\n' "$text" "$status" $(($(date +%s) - start)) >&2
fi
exit "$status"
