#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/format.sh [--in-place]: says which C++ files .clang-format would change, or changes them. Exit 77: no clang-format.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(command -v clang-format-14 || command -v clang-format) || {
  echo "skipped: clang-format-14 is not installed (make deps GROUPS=dev)"
  exit 77
}
files() { find src tests fuzz bench examples \( -name '*.h' -o -name '*.cc' \) -print0; }
if [ "${1:-}" = --in-place ]; then
  files | xargs -0 -r "$program" -i
  exit 0
fi
files | xargs -0 -r "$program" --dry-run --Werror || {
  echo "remedy: make format" >&2
  exit 1
}
