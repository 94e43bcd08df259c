#!/bin/sh
# Everything that can be tested on a Mac: what `make check` is on Linux. Installs nothing: it prints the
# line that does. The last line is "N passed, N failed"; what is skipped there has a reason in the logs.
set -eu
cd "$(dirname "$0")/.."

if [ "$(uname -s)" != Darwin ]; then
    echo 'check-mac: this is no Mac; here make check builds for macOS and checks what it links (stage macos)' >&2
    exit 1
fi
exec tools/check.sh "$@"
