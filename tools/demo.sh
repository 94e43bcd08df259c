#!/bin/sh
# From a fresh checkout to a root shell: install what is missing, build, make the guest, boot it.
# With a terminal the shell is yours; without one a few commands are typed into it.
set -eu
cd "$(dirname "$0")/.."

tools/deps.sh build
tools/build.sh
guest/build.py tiny
set -- build/ignition boot build/guest/tiny/Image --initramfs build/guest/tiny/initramfs
if [ -t 0 ]; then
    exec "$@"
fi
exec python3 tools/demo.py "$@"
