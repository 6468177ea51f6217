# shellcheck shell=bash
# Minimal Debian roots to try things in, for the scripts beside this folder; to be sourced.
#
# A root is a directory made by mmdebstrap. Commands run in it in namespaces of their own (mounts,
# processes), so that nothing stays mounted and no process stays alive when the command ends, however
# it ends. The network is the machine's: loopback, and the way to the mirrors. Needs root.
#
#   root_need_root "$@"               starts the script again under sudo unless it is root already
#   root_sources SUITE                lines for sources.list: this machine's Debian mirrors
#   root_make DIR SUITE [OPTION...]   makes a root; OPTION goes to mmdebstrap
#   root_run DIR COMMAND...           runs a command in it, in its /root, with an empty environment
#   root_remove DIR                   removes it
#   root_emulate ARCHITECTURE         lets programs of another architecture run (arm64, by qemu-user-static)
#   root_emulate_end                  takes that back, if it was root_emulate that did it

root_need_root() {
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null || {
        echo "$(basename "$0"): needs root or sudo" >&2
        exit 1
    }
    exec sudo "$0" "$@"
}

# Suite, component, address and origin of each index that apt has.
root_indexes() {
    apt-get indextargets --format "\$(RELEASE) \$(COMPONENT) \$(REPO_URI) \$(ORIGIN)" \
        'Created-By: Packages'
}

# The suites of this machine are named by apt as they are. Another release is on the same mirrors.
root_sources() {
    local suite=$1 indexes
    indexes=$(root_indexes)
    if [ -z "$indexes" ]; then
        # apt tells nothing of mirrors whose lists it does not have.
        apt-get update -q >/dev/null
        indexes=$(root_indexes)
    fi
    awk -v suite="$suite" '
        $2 != "main" || $4 != "Debian" { next }
        { kind = $1; sub(/^[a-z]+/, "", kind) }          # "", -updates or -security
        kind ~ /^(|-updates|-security)$/ { print "deb", $3, suite kind, "main" }' <<<"$indexes" | sort -u
}

root_make() {
    local dir=$1 suite=$2 sources
    shift 2
    sources=$(root_sources "$suite")
    [ -n "$sources" ] || {
        echo "apt here has no mirror of Debian" >&2
        return 1
    }
    # What is thrown away in the end need not be flushed to the disk after each file.
    # In a mount namespace of its own: on a busy machine mmdebstrap has left its /proc mounted.
    unshare --mount -- mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io "$@" "$suite" "$dir" - <<<"$sources"
    cp --remove-destination "$(realpath /etc/resolv.conf)" "$dir/etc/resolv.conf"
    # No package starts a service: there is no systemd in here to start it with.
    printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
    chmod +x "$dir/usr/sbin/policy-rc.d"
}

root_run() {
    local dir=$1
    shift
    # shellcheck disable=SC2016  # the inner shell expands these
    unshare --mount --pid --fork --kill-child -- bash -euc '
        dir=$1
        shift
        mount -t proc proc "$dir/proc"
        mount --rbind /sys "$dir/sys"
        mount -t tmpfs tmpfs "$dir/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$dir/dev/pts"
        exec env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            TERM=dumb chroot "$dir" sh -c "cd /root && exec \"\$@\"" sh "$@"
    ' bash "$dir" "$@"
}

# Everything in the root is a file of this one file system: mounts were private to root_run.
root_remove() {
    rm -rf --one-file-system "$1"
}

# Where systemd-binfmt runs, the package qemu-user-static has done this already.
root_emulate() {
    local registry=/proc/sys/fs/binfmt_misc
    [ "$1" != "$(dpkg --print-architecture)" ] || return 0
    [ "$1" = arm64 ] || {
        echo "no emulation of $1" >&2
        return 1
    }
    [ -e $registry/register ] || mount -t binfmt_misc binfmt_misc $registry
    [ ! -e $registry/qemu-aarch64 ] || return 0
    # The head of an ELF file for EM_AARCH64. F: the interpreter is opened now, outside of any root.
    printf '%s' ':qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F' \
        >$registry/register
    root_emulates=$registry/qemu-aarch64
}

root_emulate_end() {
    [ -z "${root_emulates:-}" ] || echo -1 >"$root_emulates"
    root_emulates=
}
