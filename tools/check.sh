#!/bin/sh
# Everything that is tested: installs what the tests need, then hands over to check.py, whose last
# line is "N passed, N failed". SAN=1 adds sanitizers, LONG=1 soaks.
set -eu
cd "$(dirname "$0")/.."

tools/deps.sh build test
exec python3 tools/check.py "$@"
