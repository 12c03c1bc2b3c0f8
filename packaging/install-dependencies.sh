#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the packages of packaging/dependencies.txt that this machine lacks, and nothing when it lacks none.
set -eu

list=$(dirname "$0")/dependencies.txt
spare_mb=2500  # left over after installing: a release and a sanitizer build of the tree

usage() {
  cat <<TEXT
Usage: packaging/install-dependencies.sh [--check | --list] [GROUP...]

Installs with apt-get what is missing of the groups (default: build run test) of packaging/dependencies.txt.
  --check   only say what is missing; exit 1 when something is
  --list    print the groups' packages, one a line
TEXT
}

say() { printf '==> dependencies: %s\n' "$*"; }

# fail WHAT REMEDY: every way this script can end badly goes through here.
fail() {
  printf 'error: dependencies: %s\n  remedy: %s\n' "$1" "$2" >&2
  exit 1
}

one_line() { printf '%s' "$1" | tr '\n' ' '; }

packages_of() {
  chosen=$(awk -v groups=" $* " '
    /^[ \t]*(#|$)/ { next }
    /^\[.*\]$/ { group = substr($0, 2, length($0) - 2); known[group] = 1; next }
    index(groups, " " group " ") { print $1 }
    END {
      count = split(groups, wanted, " ")
      for (i = 1; i <= count; i++) if (!(wanted[i] in known)) { print "unknown group: " wanted[i] > "/dev/stderr"; exit 1 }
    }' "$list") || return 1
  printf '%s\n' "$chosen" | sort -u
}

missing_of() {
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u)
  printf '%s\n' "$1" | while read -r package; do
    printf '%s\n' "$installed" | grep -qxF "$package" || printf '%s\n' "$package"
  done
}

# Sets $as_root to the prefix that makes a command run as root.
find_rights() {
  as_root=
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null 2>&1 ||
    fail "installing packages needs root; you are $(id -un) and there is no sudo" \
         "as root: apt-get install sudo && adduser $(id -un) sudo; or as root: apt-get install --no-install-recommends $*"
  if ! sudo -n true 2>/dev/null; then
    [ -t 0 ] ||
      fail "sudo wants a password and there is no terminal to ask for it" \
           "run 'make deps' once in a terminal, or as root: apt-get install --no-install-recommends $*"
    say "sudo will ask for your password to run apt-get"
  fi
  as_root="sudo"
}

apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 "$@"
}

update_lists() {
  say "fetching the package lists (apt-get update)"
  apt -o APT::Update::Error-Mode=any update >"$log" 2>&1 || {
    grep -E '^(E|W|Err)' "$log" | head -n 5 >&2
    if grep -q -i 'lock' "$log"; then
      fail "another program holds apt's lock" "wait until it ends (ps ax | grep -E 'apt|dpkg'), then repeat the command"
    fi
    fail "apt-get update did not get the package lists" \
         "check the network and proxy (apt-config dump Acquire::http::Proxy) and the sources in /etc/apt, then repeat the command"
  }
}

# Packages that apt knows no version of.
unknown_to_apt() {
  # shellcheck disable=SC2086
  LC_ALL=C apt-cache policy $1 2>/dev/null | awk '/^[^ ].*:$/ { name = substr($0, 1, length($0) - 1) }
    /^  Candidate: / && $2 != "(none)" { known[name] = 1 }
    END { for (n in known) print n }' | sort >"$log"
  printf '%s\n' "$1" | sort | comm -23 - "$log"
}

free_mb() { df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }'; }

# Reads the megabytes to download and to unpack from apt's own plan, and refuses before anything is changed.
check_disk() {
  # shellcheck disable=SC2086
  $as_root env LC_ALL=C apt-get install --no-install-recommends --assume-no $1 >"$log" 2>&1 || true
  need_mb=$(awk '
    function mb(number, unit) { gsub(",", "", number); return unit == "GB" ? number * 1000 : unit == "kB" ? number / 1000 : number }
    /^Need to get / { sub(/^Need to get /, ""); split($0, w, /[ \/]/); total += mb(w[1], w[2]); seen++ }
    /^After this operation, .* will be used/ { total += mb($4, $5); seen++ }
    END { print seen == 2 ? int(total) + 1 : 4000 }' "$log")
  wanted_mb=$((need_mb + spare_mb))
  have_mb=$(free_mb /usr)
  cache_mb=$(free_mb /var/cache/apt)
  [ "$have_mb" -le "$cache_mb" ] || have_mb=$cache_mb
  [ "$have_mb" -ge "$wanted_mb" ] ||
    fail "$have_mb MB free on the disk of /usr; $need_mb MB needed for packages and $spare_mb MB for the build" \
         "free $((wanted_mb - have_mb)) MB (apt-get clean; df -h /), then repeat the command"
  say "$need_mb MB to download and unpack; $have_mb MB are free"
}

install_packages() {
  start=$(date +%s)
  # shellcheck disable=SC2086
  apt install --no-install-recommends $1 >"$log" 2>&1 || {
    say "apt-get install failed; trying once more with fresh package lists"
    update_lists
    # shellcheck disable=SC2086
    apt install --no-install-recommends $1 >"$log" 2>&1 || {
      tail -n 15 "$log" >&2
      if grep -q -i 'no space left' "$log"; then
        fail "the disk is full" "free disk space (df -h /), then: dpkg --configure -a && make deps"
      fi
      fail "apt-get could not install the packages (its last words are above)" \
           "check the network; then: apt-get install --no-install-recommends $(one_line "$1")"
    }
  }
  say "installed in $(($(date +%s) - start)) s"
}

main() {
  mode=install
  while [ $# -gt 0 ]; do
    case $1 in
      --check) mode=check ;;
      --list) mode=list ;;
      -h | --help) usage; exit 0 ;;
      -*) fail "unknown option $1" "see packaging/install-dependencies.sh --help" ;;
      *) break ;;
    esac
    shift
  done
  [ $# -gt 0 ] || set -- build run test
  wanted=$(packages_of "$@") ||
    fail "packaging/dependencies.txt has no such group" "groups: $(one_line "$(sed -n 's/^\[\(.*\)\]$/\1/p' "$list")")"
  if [ "$mode" = list ]; then printf '%s\n' "$wanted"; exit 0; fi

  for program in dpkg-query apt-get apt-cache; do
    command -v $program >/dev/null 2>&1 ||
      fail "this is not a Debian system: it has no $program" \
           "use Debian 12; or install the equivalents of these, then cmake --preset release: $(one_line "$wanted")"
  done
  missing=$(missing_of "$wanted")
  if [ -z "$missing" ]; then
    say "all $(printf '%s\n' "$wanted" | wc -l) packages of group(s) '$*' are installed"
    exit 0
  fi
  # shellcheck disable=SC2086
  say "$(printf '%s\n' "$missing" | wc -l) of $(printf '%s\n' "$wanted" | wc -l) packages missing:" $missing
  [ "$mode" = install ] || exit 1

  # shellcheck disable=SC2086
  find_rights $missing
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  [ -z "$(unknown_to_apt "$missing")" ] || update_lists
  unknown=$(unknown_to_apt "$missing")
  [ -z "$unknown" ] ||
    fail "apt's sources do not have: $(one_line "$unknown") (this is $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release))" \
         "use Debian 12 (bookworm) with component main in /etc/apt/sources.list"
  check_disk "$missing"
  say "installing with apt-get (minutes on a fresh machine)"
  install_packages "$missing"
}

main "$@"
