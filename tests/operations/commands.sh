#!/usr/bin/env bash
# Tries each command of docs/operations.md that stands in a sentence, in a table or in a block that is
# not run as it is, on the machine that the blocks have made. scripts/test-operations runs it there;
# tests/checks/operations.py sees to it that none is missing here, and none is here without being there.
#
#   tries "COMMAND AS IN THE DOCUMENT" EXIT_CODE REGEX [COMMAND...]
#       runs COMMAND, or the document's words if there are none; fails unless it ends with EXIT_CODE and
#       a line of what it says matches REGEX ("" for: says nothing that matters)
#   untried "COMMAND AS IN THE DOCUMENT" "why not, or which script runs it"
#   until_so COMMAND...   asks until it succeeds, for 60 s
set -uo pipefail

tries() {
    local document=$1 wanted=$2 regex=$3 said code=0
    shift 3
    [ $# -gt 0 ] || read -ra words <<<"$document"
    [ $# -gt 0 ] || set -- "${words[@]}"
    said=$("$@" 2>&1 </dev/null) || code=$?
    if [ "$code" != "$wanted" ] || ! grep -qE -- "$regex" <<<"$said"; then
        printf 'not so: %s (%s): exit code %s, not %s; or no line matches %s:\n%s\n' \
            "$document" "$*" "$code" "$wanted" "$regex" "$said"
        exit 1
    fi
    printf '  %s\n' "$document"
}

untried() {
    printf '  not tried: %s: %s\n' "$1" "$2"
}

until_so() {
    local until=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || {
            echo "never so: $*"
            "$@"
            exit 1
        }
        sleep 0.3
    done
}

status_shows() {
    { orionctl status || :; } | grep -E -- "$1" # it fails if no node takes work
}

fault() {
    curl -sf -d "$1" http://127.0.0.1:11434/sim/faults
}

setting() {
    echo "$2" >>"/etc/orion/$1.conf"
    systemctl restart "orion-$1"
}

# --- as it is ------------------------------------------------------------------------------------
until_so status_shows ' up '
tries "orionctl top" 0 '^> pi-1'
tries "orionctl status" 0 '^pi-1 .* up '
tries "orionctl doctor" 0 '-> is /sys/class/thermal readable' # here is none: a warning, and what to do
tries "orionctl explain ID" 0 'last entry' orionctl explain demo-1
tries "orionctl explain ID" 4 'no request never-sent: it was never submitted' orionctl explain never-sent
tries "orionctl events" 0 ' queued  '
tries "orionctl bench --model M" 0 'p50' orionctl bench --model gemma3:1b -n 4
tries "orionctl drain NODE --wait" 0 '' orionctl drain pi-1 --wait --timeout 1m
tries "orionctl drain NODE --wait" 0 'back in service' orionctl undrain pi-1
until_so sh -c 'curl -s http://127.0.0.1:9464/readyz | grep "1 node up, 0 waiting"'
tries "curl http://127.0.0.1:9464/readyz" 0 '^\{"ready":true,"reasons":\[\],"fleet":"1 node up, 0 waiting"\}$' curl -s http://127.0.0.1:9464/readyz
tries "free -m" 0 '^Mem:'
tries "df -h" 0 '/$'
tries "redis-cli INFO memory" 0 '^maxmemory_policy:noeviction' \
    env REDISCLI_AUTH="$(cat /root/orion-operator.password)" redis-cli --user orion-operator INFO memory
tries "systemctl status ollama" 0 'active \(running\)'
until_so sh -c 'systemctl show --property=StatusText orion-worker | grep "=0 of 1 slots busy"' # told with each heartbeat
tries "systemctl status orion-worker" 0 'Status: "0 of 1 slots busy'
tries "journalctl --disk-usage" 0 'take up'
tries "journalctl -u orion-router -p warning" 0 ''
tries "journalctl -x" 0 'Defined-By: orion' journalctl --no-pager -x
tries "orion-worker --config /etc/orion/worker.conf --check-config" 0 ''
tries "apt-get install --allow-downgrades" 0 'already the newest' \
    sh -c 'cd /root/debs && apt-get install -y --allow-downgrades ./orion-tools_*.deb'

# --- symptoms ------------------------------------------------------------------------------------
# A worker that dies in the middle of an answer.
orionctl submit --model gemma3:1b --id cut-off --no-wait 'A long one' >/dev/null
until_so sh -c 'orionctl events --request cut-off | grep started'
systemctl kill -s KILL orion-worker
until_so sh -c 'orionctl wait --timeout 1s cut-off'
tries "orionctl events --event requeued" 0 'cut-off'

# A hot node: sensors of a made-up board.
setting worker 'root = /srv/board'
echo 80000 >/srv/board/sys/class/thermal/thermal_zone0/temp
until_so status_shows ' hot '
tries "orionctl status" 1 '^pi-1 .* hot .* 80.0C'
until_so sh -c 'journalctl --no-pager ORION_EVENT=node_hot | grep node_hot'
tries "journalctl ORION_EVENT=node_hot -x" 0 'cooler or a fan' journalctl --no-pager ORION_EVENT=node_hot -x
orionctl submit --model gemma3:1b --id waits --no-wait 'Later' >/dev/null
until_so sh -c 'orionctl explain waits | grep "pi-1: hot"'
tries "orionctl explain ID" 0 'pi-1: hot' orionctl explain waits
echo 50000 >/srv/board/sys/class/thermal/thermal_zone0/temp
until_so sh -c 'orionctl wait --timeout 1s waits'

# An Ollama that is away.
systemctl stop ollama
until_so status_shows 'ollama down'
tries "systemctl status ollama" 3 'inactive'
systemctl start ollama
until_so status_shows ' up '

# A request that every attempt fails.
setting router 'max_attempts = 1'
until_so sh -c 'systemctl is-active orion-router'
fault '{"add":["status=500"]}' >/dev/null
orionctl submit --model gemma3:1b --id doomed 'Fail' >/dev/null 2>&1
fault '{"clear":true}' >/dev/null
tries "orionctl dead list" 0 'doomed'
tries "orionctl dead show ENTRY" 0 'attempts_exhausted' orionctl dead show doomed
tries "orionctl dead retry ENTRY" 0 '^doomed.retry$' orionctl dead retry doomed
until_so sh -c 'orionctl wait --timeout 1s doomed.retry'

# Wrong settings.
echo 'slots = many' >>/etc/orion/worker.conf
systemctl restart orion-worker 2>/dev/null || :
until_so systemctl is-failed orion-worker
tries "orion-worker --config /etc/orion/worker.conf --check-config" 2 'worker.conf:[0-9]+: slots'
sed -i '/^slots = many/d' /etc/orion/worker.conf
systemctl restart orion-worker
until_so status_shows ' up '

# A password that is none: a service that stays activating, and says why.
cp /etc/credstore/orion-worker.redis-password /root/right.password
echo wrong >/etc/credstore/orion-worker.redis-password
systemctl restart --no-block orion-worker
until_so sh -c 'systemctl status orion-worker | grep WRONGPASS'
tries "systemctl status orion-worker" 3 'activating' # the word of the table
cp /root/right.password /etc/credstore/orion-worker.redis-password
systemctl restart orion-worker
until_so status_shows ' up '

# A node that is gone for good.
systemctl mask --runtime orion-worker >/dev/null 2>&1
systemctl kill -s KILL orion-worker
until_so status_shows ' lost '
tries "orionctl forget NODE" 0 '' orionctl forget pi-1
tries "orionctl status" 1 'No node'

untried "dmesg" "a container may not read the log of the kernel"
untried "journalctl ORION_EVENT=model_foreign" "nobody else asks that Ollama; tests/e2e/test_preload.py sees the event"
untried "ollama pull" "fetches a model from a registry; the test has no network and a simulated Ollama"
untried "scripts/package bookworm arm64" "made the packages that were installed"
untried "scripts/test-operations" "is running"
untried "scripts/test-ansible" "is run by itself"
untried "scripts/measure-aof" "is run by itself, from build/release"
untried "ansible-playbook -i inventory.yml deploy/ansible/cluster.yml" "scripts/test-ansible runs it"
