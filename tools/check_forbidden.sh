#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/check_forbidden.sh [FOLDER]: no loader that can execute code, and no foreign index reader, occurs in the sources
# (default: src). Prints file:line of each match and ends with 1 when there is one. Comments are not matches.
# Only the launcher may call dlopen, for it loads the real program; it must not take the path from the user.
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$tree/src}
[ -d "$folder" ] || { printf 'error: check_forbidden: no folder %s\n' "$folder" >&2; exit 2; }

# Unpickling, TorchScript and archives; Faiss's readers; libraries loaded at run time. A name counts in any namespace and
# with spaces before its parenthesis.
loaders='\b(torch[[:space:]]*::[[:space:]]*(load|pickle_load)|jit[[:space:]]*::[[:space:]]*(load|import_module|import_ir_module|unpickle|pickle_load|_load_for_mobile)|pickle_load|unpickle|Unpickler|InputArchive|import_ir_module)\b'
indexes='\b(read_index|read_index_binary|read_VectorTransform|read_ProductQuantizer|read_InvertedLists)[[:space:]]*\('
libraries='\b(dlopen|dlmopen)[[:space:]]*\('
launcher='/tenfold/cli/launcher\.cc:'

found=0
# Matches of pattern $1, without those in files that match $2 (may be empty) and without comment lines.
search() {
  local lines
  lines=$(grep -rnE --include='*.cc' --include='*.h' --include='*.cpp' --include='*.hpp' -- "$1" "$folder" |
          grep -vE '^[^:]*:[0-9]+:[[:space:]]*(//|\*)' || true)
  [ -z "$2" ] || lines=$(printf '%s\n' "$lines" | grep -vE "$2" || true)
  [ -n "$lines" ] || return 0
  printf '%s\n' "$lines"
  found=$((found + $(printf '%s\n' "$lines" | wc -l)))
}

search "$loaders" ''
search "$indexes" ''
search "$libraries" "$launcher"
if [ "$found" -gt 0 ]; then
  printf 'error: check_forbidden: %d forbidden calls\n' "$found" >&2
  printf '  remedy: load files through src/tenfold/io; see SECURITY.md\n' >&2
  exit 1
fi
printf 'check_forbidden: 0 matches in %s\n' "${folder#"$tree"/}"
