#!/bin/sh
# Configure and build one flavour into build/FLAVOUR; the flavour of everyday use is also linked as
# build/ignition. Usage: tools/build.sh [gcc|clang|san|tsan|fuzz|standin|arm64]
set -eu
cd "$(dirname "$0")/.."

case $(uname -s) in
Darwin) everyday=clang ;;
*) everyday=gcc ;;
esac
flavour=${1:-$everyday}
case $flavour in
gcc | clang)
    compiler=$flavour
    set --
    ;;
san) # address and undefined behaviour sanitizers
    compiler=gcc
    set -- -Db_sanitize=address,undefined
    ;;
tsan) # the thread sanitizer
    compiler=clang
    set -- -Db_sanitize=thread -Db_lundef=false
    ;;
fuzz) # the libFuzzer targets
    compiler=clang
    set -- -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true -Dtests=false
    ;;
standin) # the engine hvf on tests/hvf_standin
    compiler=gcc
    set -- -Dhvf_standin=true
    ;;
arm64) # cross build; tools/sysroot.py makes the cross file
    compiler=
    set -- --cross-file build/cross-arm64.ini
    ;;
*)
    echo "tools/build.sh: $flavour: no such flavour; give gcc, clang, san, tsan, fuzz, standin or arm64" >&2
    exit 2
    ;;
esac

dir=build/$flavour
if [ ! -f "$dir/build.ninja" ]; then
    if [ -n "$compiler" ]; then
        CC=$compiler meson setup "$dir" "$@"
    else
        meson setup "$dir" "$@"
    fi
fi
ninja -C "$dir"
if [ -x "$dir/src/cli/ignition" ]; then
    ln -sf src/cli/ignition "$dir/ignition"
    [ "$flavour" != "$everyday" ] || ln -sf "$flavour/ignition" build/ignition
fi
