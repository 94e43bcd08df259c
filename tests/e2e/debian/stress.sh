#!/bin/sh
# stress.sh OPS LIMIT_S STRESSOR...: each by itself, verified, until it has done OPS operations or
# LIMIT_S seconds are over. Prints "NAME STATUS", and behind it what stress-ng said in one line.
#
# Each has a namespace of processes, so that no signal of it reaches this shell or the login.

ops=$1 limit_s=$2
shift 2
for name; do
    said=$(unshare --pid --fork --mount-proc --kill-child sh -c '"$@"; exit $?' sh \
        stress-ng --"$name" 1 --"$name"-ops "$ops" --timeout "$limit_s" --verify 2>&1)
    echo "$name $?" $(echo "$said" | sed 's/^stress-ng: //; s/\[[0-9]*\]//')
done
