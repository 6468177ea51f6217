#!/bin/sh
# Fails if a source file has more than 500 lines or a function more than 60.
# Usage: limits.sh SOURCE_DIR
set -eu
cd "$1"
bad=$(find src include bench -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 > 500 {print $2": "$1" lines (limit 500)"}')
if command -v ctags >/dev/null 2>&1; then
    bad="$bad$(ctags -x --languages=C,C++ --c-kinds=f --fields=+ne --_xformat='%F %n %N %{end}' -R src include bench |
        awk '$4 - $2 + 1 > 60 {print $1": "$3": "$4 - $2 + 1" lines (limit 60)"}')"
fi
if [ -n "$bad" ]; then
    echo "$bad" >&2
    exit 1
fi
