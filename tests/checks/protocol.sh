#!/usr/bin/env bash
# Fails if a field, an error code or a group of keys.h is missing from docs/protocol.md.
# Usage: protocol.sh SOURCE_DIRECTORY
set -euo pipefail

status=0
while read -r name; do
    grep -qF "\`$name\`" "$1/docs/protocol.md" || {
        echo "docs/protocol.md lacks $name, which include/common/keys.h has" >&2
        status=1
    }
done < <(sed -n 's/^#define \(FIELD\|CODE\|GROUP\)_[A-Z_]* *"\([^"]*\)".*/\2/p' "$1/include/common/keys.h")
exit "$status"
