#!/bin/sh
# Installs the system packages that are missing; says nothing when all are there.
#
#   tools/deps.sh GROUP...      build: the program and the guests; test: all that `make check` uses
#
# As root on Debian 12 it installs them. Without root, and on a Mac, it prints the line that does
# and ends with status 1: it never asks for a password or becomes another user.
set -eu

debian_build='gcc libc6-dev make meson ninja-build pkg-config
    libcapstone-dev libcbor-dev libevent-dev libfdt-dev libjansson-dev libxxhash-dev libzstd-dev zlib1g-dev
    apt debian-archive-keyring kmod python3'
debian_test='clang clang-format libclang-rt-14-dev lld llvm libcmocka-dev git python3-venv
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm qemu-user-static
    cpio device-tree-compiler e2fsprogs fish man-db mandoc zsh
    arch-test mmdebstrap uidmap'
homebrew_build='dtc jansson libcbor libevent meson ninja pkgconf python@3.13 xxhash zstd'
homebrew_test='bash clang-format cmocka e2fsprogs fish qemu'

die() {
    echo "deps: $*" >&2
    exit 1
}

usage() {
    echo 'usage: tools/deps.sh GROUP...   groups: build test' >&2
    exit 2
}

# select SYSTEM GROUP...: the packages of the groups.
select_packages() {
    system=$1
    shift
    for group in "$@"; do
        case $group in
        build | test) eval "echo \$${system}_$group" ;;
        *) usage ;;
        esac
    done
}

# missing LIST_OF_INSTALLED PACKAGE...: those that the list, one name a line, does not have.
missing() {
    installed=$1
    shift
    for package in "$@"; do
        printf '%s\n' "$installed" | grep -qxF "$package" || printf ' %s' "$package"
    done
}

on_debian() {
    packages=$(select_packages debian "$@") || exit
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>/dev/null |
        sed -n 's/^installed //p')
    wanted=$(missing "$installed" $packages)
    [ -n "$wanted" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo 'deps: packages are missing; as root, install them with this line:' >&2
        echo "apt-get install -y --no-install-recommends$wanted"
        return 1
    fi
    echo "deps: installing$wanted"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C
    wait='-o DPkg::Lock::Timeout=600' # another installation may be at work
    # A source that has nothing to do with us may fail to update; what counts is the installation.
    apt-get $wait -q update </dev/null >"$log" 2>&1 || true
    if ! apt-get $wait -q install -y --no-install-recommends $wanted </dev/null >>"$log" 2>&1; then
        grep -E '^(E|W|Err)' "$log" >&2 || tail -n 5 "$log" >&2
        die "apt-get could not install$wanted; what it said is above"
    fi
}

on_mac() {
    packages=$(select_packages homebrew "$@") || exit
    command -v brew >/dev/null || die 'Homebrew is missing; install it first'
    wanted=$(missing "$(brew list --formula -1)" $packages)
    [ -n "$wanted" ] || return 0
    echo 'deps: packages are missing; install them with this line:' >&2
    echo "brew install$wanted"
    return 1
}

[ $# -gt 0 ] || usage
case $(uname -s) in
Darwin) on_mac "$@" ;;
*)
    command -v dpkg-query >/dev/null ||
        die "no dpkg here; install by hand what Debian calls: $(select_packages debian "$@" | xargs)"
    on_debian "$@"
    ;;
esac
