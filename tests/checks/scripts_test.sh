#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script of the tree parses, is executable, names its licence, and passes shellcheck where that is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t scripts < <(find .ci packaging tools tests examples -type f \( -name '*.sh' -o -path '.ci/run' \) | sort)
[ ${#scripts[@]} -gt 0 ]
status=0
for script in "${scripts[@]}"; do
  shell=$(sed -n '1s|^#!/bin/||p' "$script")
  case $shell in
    sh | bash) "$shell" -n "$script" || status=1 ;;
    *) echo "$script: the first line names neither /bin/sh nor /bin/bash" >&2; status=1 ;;
  esac
  [ -x "$script" ] || { echo "$script: not executable; remedy: chmod +x" >&2; status=1; }
  sed -n 2p "$script" | grep -q 'SPDX-License-Identifier: Apache-2.0' || { echo "$script: line 2 is not the licence" >&2; status=1; }
done
if command -v shellcheck >/dev/null; then
  shellcheck --severity=warning "${scripts[@]}" || status=1
else
  echo "shellcheck is not installed: syntax only"
fi
echo "${#scripts[@]} scripts checked"
exit $status
