#!/bin/sh
# Fails if a manual page of docs/man is not clean for mandoc and groff, if orion.conf(5) lacks what
# config/*.conf say (unit.config_files compares those with the code), if orion-protocol(7) lacks a name
# of docs/protocol.md, or if a page lacks a command or option that the program's help has.
# Usage: man.sh SOURCE_DIR PROGRAM_DIR
set -eu
cd "$1"
orionctl=$2/orionctl
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

for program in router worker; do
    words=$(mandoc -Tutf8 -O width=1000 "docs/man/orion-$program.8" | sed 's/.\x08//g')
    options=$("$2/orion-$program" --help | grep -oE -- '^ +--[a-z-]+' | tr -d ' ')
    [ "$(echo "$options" | wc -l)" -ge 5 ] || {
        echo "orion-$program --help has another form than this check knows" >&2
        bad=1
    }
    for option in $options; do
        echo "$words" | grep -qwF -- "$option" || {
            echo "docs/man/orion-$program.8 lacks $option" >&2
            bad=1
        }
    done
done

# "  dead list   requests ..." in the help is the command "dead list".
"$orionctl" --help | awk '/^[A-Z]/ { on = /^Commands:/ } on && /^  / {
    sub(/^  /, ""); sub(/  .*/, ""); gsub(/ (\[.*|[A-Z]+)$/, ""); print }' >"${TMPDIR:-/tmp}/orionctl.$$"
words=$(mandoc -Tutf8 -O width=1000 docs/man/orionctl.1 | sed 's/.\x08//g')
[ "$(wc -l <"${TMPDIR:-/tmp}/orionctl.$$")" -gt 10 ] || {
    echo "orionctl --help has another form than this check knows" >&2
    bad=1
}
while read -r command; do
    echo "$words" | grep -qE "^ +$command( |\$)" || {
        echo "docs/man/orionctl.1 lacks the command $command" >&2
        bad=1
    }
    # shellcheck disable=SC2086  # "dead list" is two words
    for option in $("$orionctl" help $command | grep -oE -- '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
        echo "$words" | grep -qwF -- "$option" || {
            echo "docs/man/orionctl.1 lacks $option of the command $command" >&2
            bad=1
        }
    done
done <"${TMPDIR:-/tmp}/orionctl.$$"
rm -f "${TMPDIR:-/tmp}/orionctl.$$"
exit "$bad"
