#!/bin/sh
# Signs programs for Hypervisor.framework, on a Mac: without this signature it answers HV_DENIED.
#
#   tools/sign.sh PROGRAM...              those that are signed already are left alone
#   tools/sign.sh --stamp FILE PROGRAM    the same for one, and touch FILE (the build's own use)
#   tools/sign.sh --installed PATH...     below the prefix that `meson install` installs to
#
# The signature is ad hoc: it names nobody, and holds on this Mac. Each link of a program drops it.
# CODESIGN is the program to sign with, codesign(1) if it is not set.
set -eu

entitlement=com.apple.security.hypervisor
entitlements=$(dirname "$0")/ignition.entitlements
codesign=${CODESIGN:-codesign}
stamp=
below=

die() {
    echo "sign: $*" >&2
    exit 1
}

is_signed() {
    "$codesign" --verify "$1" 2>/dev/null &&
        "$codesign" --display --entitlements - --xml "$1" 2>/dev/null | grep -qF "$entitlement"
}

sign() {
    [ -f "$1" ] || die "$1: no such program; build it first"
    ! is_signed "$1" || return 0
    # What is made of the program is not made anew for its signature: the time of the link stays.
    time=$(mktemp)
    touch -r "$1" "$time"
    if ! said=$("$codesign" --force --sign - --entitlements "$entitlements" "$1" 2>&1); then
        rm -f "$time"
        die "$1: codesign failed: $said"
    fi
    touch -r "$time" "$1"
    rm -f "$time"
}

case ${1-} in
--stamp)
    stamp=${2-}
    [ $# -eq 3 ] || set --
    [ $# -eq 0 ] || shift 2
    ;;
--installed)
    below=${MESON_INSTALL_DESTDIR_PREFIX-}/
    shift
    ;;
esac
if [ $# -eq 0 ]; then
    echo 'usage: tools/sign.sh [--stamp FILE | --installed] PROGRAM...' >&2
    exit 2
fi
command -v "$codesign" >/dev/null ||
    die "$codesign is missing, so $1 cannot be signed for Hypervisor.framework: install the command line tools (xcode-select --install)"
for program; do
    sign "$below$program"
done
[ -z "$stamp" ] || touch "$stamp"
