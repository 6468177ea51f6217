# shellcheck shell=bash
# Boots a root of debian-root.sh as a machine of its own, with systemd as its first process, in
# systemd-nspawn; to be sourced after debian-root.sh. Needs root and systemd-container.
#
#   boot_start DIR [OPTION...]   boots the root; OPTION goes to systemd-nspawn. Its network is private
#                                (loopback only) unless an option says otherwise
#   boot_run DIR COMMAND...      runs a command in it, in a clean environment
#   boot_stop DIR                shuts it down, or ends it if that takes too long
#   wait_for SECONDS COMMAND...  asks until the command succeeds; fails after that many seconds
#
# The process ids are kept in DIR.nspawn. A booted root must not be removed before boot_stop.

wait_for() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.2
    done
}

# The first process of the root: the child of systemd-nspawn.
boot_leader() {
    pgrep -P "$(cat "$1.nspawn")"
}

boot_is_up() {
    local state
    state=$(boot_run "$1" systemctl is-system-running 2>&1)
    # "starting" for as long as a service of ours waits for Redis.
    [[ $state =~ ^(starting|running|degraded)$ ]]
}

boot_start() {
    local dir=$1
    shift
    # Its own name: nspawn would take that of the directory, which may be too long for a host name.
    systemd-nspawn --quiet --directory="$dir" --boot --register=no --keep-unit --console=pipe \
        --machine="orion-$$-$RANDOM" "${@:---private-network}" </dev/null >"$dir.console" 2>&1 &
    echo $! >"$dir.nspawn"
    wait_for 60 boot_is_up "$dir" || {
        echo "$dir does not boot:" >&2
        tail -n 20 "$dir.console" >&2
        return 1
    }
}

boot_run() {
    local dir=$1
    shift
    nsenter --target "$(boot_leader "$dir")" --all --wdns=/ -- env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

boot_stop() {
    local dir=$1 pid
    [ -e "$dir.nspawn" ] || return 0
    pid=$(cat "$dir.nspawn")
    boot_run "$dir" systemctl poweroff --no-block >/dev/null 2>&1 || kill "$pid" 2>/dev/null || :
    wait_for 30 sh -c "! kill -0 $pid" || kill -9 "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
    rm -f "$dir.nspawn" "$dir.console"
}
