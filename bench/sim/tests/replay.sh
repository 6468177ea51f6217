#!/bin/sh
# What a router records can be played again with the same decisions; a decision that was changed in
# the record is found; what is no record is refused.
# Usage: replay.sh ORION-SIM
set -eu
sim=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$sim" --scenario home2x2 --policy late --seeds 1-1 --option "record=$folder/record" >/dev/null
"$sim" --replay "$folder/record" >"$folder/out"
grep -q ', 0 of them differ$' "$folder/out"

# One move, said to have gone to the other node: the record ends there, so that nothing follows.
awk '/^next [0-9]+ 1 / && ++n == 20 { $6 = 1 - $6; print; exit } { print }' "$folder/record" \
    >"$folder/changed"
status=0
"$sim" --replay "$folder/changed" >"$folder/out" || status=$?
test "$status" -eq 1
grep -q ', 1 of them differ$' "$folder/out"

status=0
echo "nothing" >"$folder/other"
"$sim" --replay "$folder/other" 2>"$folder/err" || status=$?
test "$status" -eq 2
grep -q 'other:1: not a record' "$folder/err"
