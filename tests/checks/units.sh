#!/bin/sh
# Fails if systemd finds fault with a unit, or a service is exposed more than 1.2 of 10 (offline
# rating of its sandbox). Says so and passes where systemd-analyze is not installed.
# Usage: units.sh SOURCE_DIR BIN_DIR
set -eu
cd "$1"
bin=$2

if ! command -v systemd-analyze >/dev/null 2>&1; then
    echo "skipped: systemd-analyze is not installed"
    exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0

for unit in systemd/*.service; do
    name=$(basename "$unit")
    # ExecStart must exist for `verify`: the programs of this build.
    sed "s,=/usr/bin/orion-,=$bin/orion-," "$unit" >"$dir/$name"
    said=$(systemd-analyze verify --man=no "$dir/$name" 2>&1) || bad=1
    # It passes over what it does not know with a line and no exit code.
    if [ -n "$said" ]; then
        echo "$said" >&2
        bad=1
    fi
    if ! systemd-analyze security --offline=yes --no-pager --threshold=12 "$dir/$name" >"$dir/out" 2>&1; then
        grep '✗' "$dir/out" >&2 || cat "$dir/out" >&2
        bad=1
    fi
    grep 'Overall exposure' "$dir/out" || true
done

# The drop-in for Ollama, under a service of that name.
mkdir "$dir/ollama.service.d"
cp systemd/ollama.service.d/orion.conf "$dir/ollama.service.d/"
printf '[Service]\nExecStart=/bin/true\n' >"$dir/ollama.service"
said=$(SYSTEMD_UNIT_PATH="$dir:" systemd-analyze verify --man=no "$dir/ollama.service" 2>&1) || bad=1
if [ -n "$said" ]; then
    echo "$said" >&2
    bad=1
fi
if command -v systemd-sysusers >/dev/null 2>&1; then
    mkdir -p "$dir/root/etc"
    systemd-sysusers --root="$dir/root" "$PWD/systemd/sysusers.d/orion.conf" >"$dir/out" 2>&1 || bad=1
    grep -q '^orion:' "$dir/root/etc/passwd" || { cat "$dir/out" >&2; bad=1; }
fi
exit "$bad"
