#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Proves the two commands of the README on a bare Debian 12: makes a minimal root with debootstrap, clones this tree into
# it, runs the commands there by chroot and writes a transcript with times.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: tools/fresh-machine.sh [options]        (as root; needs the package debootstrap and 12 GB of disk)

  --run COMMAND       run COMMAND in the clone instead of `make demo` and `make test`; may be repeated
  --user              run as an ordinary user with sudo instead of root
  --folder DIR        make the root below DIR (default: $TMPDIR or /var/tmp)
  --transcript FILE   default: build/fresh-machine.txt
  --keep              do not delete the root at the end
TEXT
}

fail() {
  printf 'error: fresh-machine: %s\n  remedy: %s\n' "$1" "$2" >&2
  exit 1
}

# Defaults and the command line.
commands=() as_user=no parent=${TMPDIR:-/var/tmp} transcript="" keep=no
arguments=("$@")
while [ $# -gt 0 ]; do
  case $1 in
    --run | --folder | --transcript) [ $# -ge 2 ] || fail "$1 wants a value" "see --help" ;;&
    --run) commands+=("$2"); shift ;;
    --folder) parent=$(realpath "$2"); shift ;;
    --transcript) transcript=$(realpath "$2"); shift ;;
    --user) as_user=yes ;;
    --keep) keep=yes ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown option $1" "see tools/fresh-machine.sh --help" ;;
  esac
  shift
done
[ ${#commands[@]} -gt 0 ] || commands=("make demo" "make test")
tree=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)

if [ -z "$transcript" ]; then mkdir -p "$tree/build" && transcript=$tree/build/fresh-machine.txt; fi

[ "$(id -u)" -eq 0 ] || fail "a chroot needs root" "sudo $0 ${arguments[*]}"
command -v debootstrap >/dev/null || fail "debootstrap is not installed" "apt-get install debootstrap"
[ -d "$parent" ] || fail "$parent is not a folder" "give an existing folder to --folder"
free_mb=$(df -Pm "$parent" | awk 'NR == 2 { print $4 }')
[ "$free_mb" -ge 12000 ] || fail "$parent has $free_mb MB free, 12000 are needed" "give a roomier folder to --folder"

# A mount namespace of our own: whatever happens to this script, its mounts vanish with it.
if [ "${TENFOLD_FRESH_NAMESPACE:-}" != own ]; then
  TENFOLD_FRESH_NAMESPACE=own exec unshare --mount --propagation private "$0" "${arguments[@]}"
fi

root=$(mktemp -d "$parent/tenfold-fresh.XXXXXX")
chmod 755 "$root"  # it becomes "/" of an ordinary user
mounted_below_root() { awk -v root="$root/" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r; }

clean_up() {
  local status=$?
  trap '' INT TERM
  mounted_below_root | while read -r place; do umount "$place" 2>/dev/null || umount --lazy "$place" || true; done
  if [ -n "$(mounted_below_root)" ]; then
    printf 'error: fresh-machine: still mounted, so nothing is deleted:\n%s\n' "$(mounted_below_root)" >&2
    printf '  remedy: umount these, then rm -rf --one-file-system %s\n' "$root" >&2
    status=1
  elif [ "$keep" = yes ]; then
    printf 'The root is kept: %s\n' "$root"
  else
    rm -rf --one-file-system "$root"
  fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

: >"$transcript"
record() { tee -a "$transcript"; }
failures=0 summary=""

# step TEXT COMMAND...: runs it, records its output and its time; a failure is counted, not fatal.
step() {
  local text=$1 start=$SECONDS status=0
  shift
  printf '\n$ %s\n' "$text" | record
  "$@" </dev/null 2>&1 | record || status=${PIPESTATUS[0]}
  printf -- '-> exit %d after %d s\n' "$status" $((SECONDS - start)) | record
  summary+=$(printf '%6d s  exit %d  %s' $((SECONDS - start)) "$status" "$text")$'\n'
  [ "$status" -eq 0 ] || failures=$((failures + 1))
  return 0
}

# Debian's own suites of bookworm among the host's apt sources: "URI SUITE COMPONENT" a line.
debian_sources() {
  apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT) \$(ORIGIN)" 'Created-By: Packages' |
    awk '$4 == "Debian" && $2 ~ /^bookworm/ { print $1, $2, $3 }' | sort -u
}

in_root() { chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" LANG=C.UTF-8 "$@"; }
as_tester() {
  if [ "$as_user" = yes ]; then in_root runuser -u tester -- "$@"; else in_root "$@"; fi
}
in_clone() { as_tester sh -c "cd '$home/tenfold' && $1"; }

make_root() {
  local archive keyring=/usr/share/keyrings/debian-archive-keyring.gpg include=()
  archive=$(debian_sources | awk '$2 == "bookworm" { print $1; exit }')
  [ -n "$archive" ] || fail "the host's apt sources have no bookworm, or no lists yet" "apt-get update on a Debian 12 host"
  case $archive in https:*) include=(--include=ca-certificates) ;; esac
  [ ! -f $keyring ] || include+=("--keyring=$keyring")
  debootstrap --variant=minbase "${include[@]}" bookworm "$root" "$archive" || return 1

  debian_sources | sed 's/^/deb /' >"$root/etc/apt/sources.list"
  # Proxy, time-out and clock settings of the host's apt; none of its credentials.
  apt-config dump | grep -E '^Acquire::(https?::(Proxy|Timeout)|Retries|Check-(Date|Valid-Until))' >"$root/etc/apt/apt.conf.d/90host" || true
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  case $archive in https:*) cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" ;; esac
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"  # packages start no services in a chroot
  chmod +x "$root/usr/sbin/policy-rc.d"
}

mount_kernel_folders() {
  mount -t proc proc "$root/proc"
  mount --bind -o ro /sys "$root/sys"
  mount -t tmpfs -o mode=755,size=1m tmpfs "$root/dev"
  local node
  for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    # shellcheck disable=SC2086
    set -- $node
    mknod -m 666 "$root/dev/$1" c "$2" "$3"
  done
  ln -s /proc/self/fd "$root/dev/fd"
  mkdir "$root/dev/shm"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
}

# What the README asks for before its two commands: git, make, and for an ordinary user sudo.
install_prerequisites() {
  in_root apt-get -q update && in_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
}

add_user() {
  in_root useradd --create-home --shell /bin/bash tester
  printf 'tester ALL=(ALL) NOPASSWD: ALL\n' >"$root/etc/sudoers.d/tester"
  chmod 440 "$root/etc/sudoers.d/tester"
}

main() {
  local home=/root prerequisites=(git make) command
  {
    printf 'Tenfold on a bare Debian 12, %s\n' "$(date -u '+%Y-%m-%d %H:%M UTC')"
    printf 'revision %s; %s cores; as %s\n' "$(git -C "$tree" rev-parse --short=12 HEAD)" "$(nproc)" \
           "$([ "$as_user" = yes ] && echo "an ordinary user with sudo" || echo root)"
    [ -z "$(git -C "$tree" status --porcelain)" ] || printf 'note: uncommitted changes of the tree are not in the clone\n'
  } | record
  step "debootstrap --variant=minbase bookworm" make_root
  [ "$failures" -eq 0 ] || return 1
  mount_kernel_folders
  if [ "$as_user" = yes ]; then prerequisites+=(sudo); fi
  step "apt-get install ${prerequisites[*]}" install_prerequisites "${prerequisites[@]}"
  if [ "$as_user" = yes ]; then add_user; home=/home/tester; fi
  git -c safe.directory="*" clone -q --bare --no-hardlinks "$tree" "$root/srv/tenfold.git"
  [ "$as_user" = no ] || in_root chown -R tester /srv/tenfold.git
  step "git clone" as_tester git clone -q /srv/tenfold.git "$home/tenfold"
  for command in "${commands[@]}"; do step "$command" in_clone "$command"; done
  {
    printf '\n%s' "$summary"
    printf 'disk used by the root: %s\n' "$(du -sxh "$root" | cut -f1)"
    printf '%d of %d steps failed\n' "$failures" "$(printf '%s' "$summary" | wc -l)"
  } | record
  printf 'transcript: %s\n' "$transcript"
  [ "$failures" -eq 0 ]
}

main
