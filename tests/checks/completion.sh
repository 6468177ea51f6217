#!/bin/bash
# Fails if completions/orionctl does not complete commands, options and values.
# Usage: completion.sh SOURCE_DIR DIRECTORY_OF_ORIONCTL
set -eu
PATH=$2:$PATH
# shellcheck source=/dev/null
. "$1/completions/orionctl"

expect() { # WORDS-ON-THE-LINE... -- WANTED...
    local line=() wanted found
    while [ "$1" != -- ]; do
        line+=("$1")
        shift
    done
    shift
    COMP_WORDS=("${line[@]}")
    COMP_CWORD=$((${#line[@]} - 1))
    _orionctl
    found=" ${COMPREPLY[*]} "
    for wanted in "$@"; do
        case $found in
        *" $wanted "*) ;;
        *)
            echo "\"${line[*]}\" does not complete to $wanted but to:$found" >&2
            exit 1
            ;;
        esac
    done
}

expect orionctl '' -- status top submit wait cancel explain events drain undrain forget dead \
    preload bench doctor help
expect orionctl su -- submit
expect orionctl dead '' -- list show retry purge
expect orionctl --json --redis redis://x sub -- submit
expect orionctl submit --s -- --session --stream --system
expect orionctl dead purge --o -- --older-than
expect orionctl status --j -- --json
expect orionctl --col -- --color
expect orionctl submit --priority '' -- high normal low
expect orionctl top --sort t -- temp
for option in $(orionctl submit --help | grep -oE '^ +(-[a-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
    expect orionctl submit "$option" -- "$option"
done
