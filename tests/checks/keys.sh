#!/bin/sh
# Fails if a Redis key suffix is spelled out anywhere but in include/common/keys.h and
# src/common/keys.c: a key must have one definition.
# Usage: keys.sh SOURCE_DIR
set -eu
cd "$1"

if grep -rnE '":(requests|responses|job|epoch|health|routers|events|dead|drained|control)[:"]' src include |
    grep -v '^[^:]*common/keys\.[ch]:'; then
    echo "^ put it in include/common/keys.h" >&2
    exit 1
fi
