# shellcheck shell=bash
# What a test script says while it goes on, for the scripts beside this folder; to be sourced.
#
#   step WORDS...              a line that says what comes now
#   check WORDS COMMAND...     WORDS, if the command succeeds; otherwise the end, and its output
#   check_in SECONDS WORDS COMMAND...   the same, asking again until that many seconds have passed

me=$(basename "$0")

step() {
    printf '%s: %s\n' "$me" "$*"
}

check() {
    check_in 0 "$@"
}

check_in() {
    local until=$((SECONDS + $1)) words=$2 said
    shift 2
    until said=$("$@" 2>&1); do
        [ "$SECONDS" -lt "$until" ] || {
            printf '%s: not so: %s\n%s\n' "$me" "$words" "$said" >&2
            exit 1
        }
        sleep 0.2
    done
    printf '    %s\n' "$words"
}
