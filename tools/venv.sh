#!/bin/sh
# The Python packages of tests/requirements.txt, in a virtual environment under build/venv. Does
# nothing when they are there.
set -eu
cd "$(dirname "$0")/.."

key=$(sha256sum <tests/requirements.txt 2>/dev/null || shasum -a 256 <tests/requirements.txt)
if [ "$(cat build/venv/key 2>/dev/null)" = "$key" ]; then
    exit 0
fi
echo "venv: installing $(grep -c '^[a-z]' tests/requirements.txt) Python packages into build/venv"
mkdir -p build
rm -rf build/venv
# It cannot be renamed when complete, as its scripts hold its path: the key, written last, says so.
python3 -m venv build/venv
build/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
echo "$key" >build/venv/key
