#!/bin/sh
# Fails if a manual page of docs/man is not clean for mandoc and groff, if orion.conf(5) lacks what
# config/*.conf say (unit.config_files compares those with the code), or if orion-protocol(7) lacks a
# name of docs/protocol.md.
# Usage: man.sh SOURCE_DIR
set -eu
cd "$1"
bad=0

for page in docs/man/*.[1-9]; do
    mandoc -Tlint -W warning "$page" || bad=1
    # Warnings go to standard error, and groff succeeds all the same.
    warnings=$(groff -mandoc -ww -z -Tutf8 "$page" 2>&1)
    [ -z "$warnings" ] || {
        echo "$warnings" >&2
        bad=1
    }
done

/usr/bin/python3 scripts/man-settings --check || bad=1

# The names are what stands in backticks in the first column of a table, and in the list of events. Of
# the part between routers and workers the page says nothing.
names=$(awk '
    /^## Between routers and workers/ { exit }
    /^## /   { events = /^## Events/ }
    events   { print }
    /^\| / { split($0, column, "|"); print column[2] }
' docs/protocol.md | awk -F'`' '{ for (i = 2; i <= NF; i += 2) print $i }' | sort -u)
[ "$(echo "$names" | wc -l)" -gt 60 ] || {
    echo "docs/protocol.md has other tables than this check knows" >&2
    bad=1
}
words=$(mandoc -Tutf8 -O width=1000 docs/man/orion-protocol.7 | sed 's/.\x08//g')
# r1 and pi-2 are examples.
for name in $(echo "$names" | tr ' ' '\n' | grep -vxE 'r1|pi-2' | sort -u); do
    echo "$words" | grep -qwF -- "$name" || {
        echo "docs/man/orion-protocol.7 lacks $name, which docs/protocol.md has" >&2
        bad=1
    }
done
exit "$bad"
