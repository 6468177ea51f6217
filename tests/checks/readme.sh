#!/bin/sh
# Fails if README.md does not contain each file of docs/examples word for word as a code block, or if
# a document links to a file that is not there.
# Usage: readme.sh SOURCE_DIR
set -eu
cd "$1"
bad=0

for example in docs/examples/*; do
    if ! awk -v fence='```' '
        FNR == 1 { n++ }
        { text[n] = text[n] $0 "\n" }
        END { exit index(text[2], "\n" text[1] fence "\n") ? 0 : 1 }
    ' "$example" README.md; then
        echo "README.md does not contain $example as it is" >&2
        bad=1
    fi
done

for document in *.md docs/*.md; do
    [ -e "$document" ] || continue
    # [text](path) and [text](path#heading); addresses elsewhere and headings here are not checked.
    links=$(grep -oE '\]\([^)]+\)' "$document" | sed -E 's/^\]\(//; s/\)$//; s/#.*//' |
        grep -vE '^$|^https?:' || true)
    for link in $links; do
        if [ ! -e "$(dirname "$document")/$link" ]; then
            echo "$document links to $link, which is not there" >&2
            bad=1
        fi
    done
done
exit "$bad"
