#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# packaging/install-dependencies.sh: does nothing when nothing is missing, and fails with a reason and a remedy without
# rights, network, disk, or Debian. The system's programs are played by scripts; nothing is installed.
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/packaging"
cp "$tree/packaging/install-dependencies.sh" "$folder/packaging/"
printf '# list\n[build]\nalpha\nbeta\n\n[run]\nalpha\n[test]\ngamma\n[dev]\ndelta\n' >"$folder/packaging/dependencies.txt"

for program in sh awk sed sort comm grep head tail wc tr date mktemp rm env dirname cat touch; do
  ln -s "$(command -v $program)" "$folder/bin/$program"
done
play() { printf '#!/bin/sh\n%s\n' "$2" >"$folder/bin/$1" && chmod +x "$folder/bin/$1"; }

# The system that the scripts play: settings are files in $folder.
play dpkg-query "sed 's/^/installed /' '$folder/installed'"
play id "case \$1 in -un) echo tester ;; *) cat '$folder/uid' ;; esac"
play df "echo head; echo \"disk 0 0 \$(cat '$folder/free_kb') 0% /\""
play apt-cache "shift; for p; do echo \"\$p:\"; echo \"  Candidate: \$(cat '$folder/candidate')\"; done"
play apt-get "echo apt-get \"\$@\" >>'$folder/calls'
case \" \$* \" in
  *' update '*) [ ! -f '$folder/offline' ] || { echo 'E: Failed to fetch'; exit 100; } ;;
  *' --assume-no '*) echo 'Need to get 1,500 MB/1,600 MB of archives.'; echo 'After this operation, 3 GB of additional disk space will be used.' ;;
  *' install '*) [ ! -f '$folder/offline' ] || { echo 'E: Failed to fetch'; exit 100; } ;;
esac"

reset() {
  rm -f "$folder/offline" "$folder/bin/sudo" "$folder/calls"
  printf 'alpha\nbeta\n' >"$folder/installed"
  echo 0 >"$folder/uid"
  echo 1.0 >"$folder/candidate"
  echo 90000000 >"$folder/free_kb"
}
cases=0
# expect STATUS TEXT ARGUMENT...: the script's exit code, and a text its output must hold.
expect() {
  local status=0 output
  output=$(PATH=$folder/bin "$folder/packaging/install-dependencies.sh" "${@:3}" 2>&1 </dev/null) || status=$?
  if [ "$status" != "$1" ] || [[ $output != *"$2"* ]]; then
    printf 'case %d: exit %s, wanted %s with "%s"; output:\n%s\n' "$cases" "$status" "$1" "$2" "$output" >&2
    exit 1
  fi
  [ "$status" -eq 0 ] || [ "${3:-}" = --check ] || [[ $output == *"remedy: "* ]] || { echo "no remedy in: $output" >&2; exit 1; }
  cases=$((cases + 1))
}
never_called() { [ ! -f "$folder/calls" ] || { echo "apt-get was called: $(cat "$folder/calls")" >&2; exit 1; }; }

reset; expect 0 "all 2 packages" build run; never_called
reset; expect 1 "1 of 3 packages missing: gamma" --check; never_called
reset; expect 0 "alpha" --list run; never_called
reset; expect 0 "installed in"; grep -q 'install --no-install-recommends gamma$' "$folder/calls"
reset; expect 1 "no such group" nonsense; never_called
reset; expect 1 "unknown option --force" --force; never_called
reset; echo 1000 >"$folder/uid"; expect 1 "needs root; you are tester and there is no sudo"; never_called
reset; echo 1000 >"$folder/uid"; play sudo 'exit 1'; expect 1 "no terminal to ask"; never_called
reset; echo 1000 >"$folder/uid"
# shellcheck disable=SC2016
play sudo '[ "$1" != -n ] || shift; [ "$1" = true ] || "$@"'; expect 0 "installed in"
reset; echo 5000000 >"$folder/free_kb"; expect 1 "4501 MB needed for packages"
if grep -q 'install --no-install-recommends gamma$' "$folder/calls"; then echo "installed on a full disk" >&2; exit 1; fi
reset; touch "$folder/offline"; expect 1 "trying once more"
reset; touch "$folder/offline"; expect 1 "check the network and proxy"
reset; echo "(none)" >"$folder/candidate"; expect 1 "sources do not have: gamma"; grep -q update "$folder/calls"
reset; rm "$folder/bin/apt-get"; expect 1 "not a Debian system: it has no apt-get"
echo "install-dependencies.sh: $cases cases as promised"
