#!/bin/sh
# Asks with redis-cli and waits for the whole answer. Usage: submit.sh [MODEL [QUESTION]]
set -eu
id=$(cat /proc/sys/kernel/random/uuid)
redis-cli XADD orion:inference:requests '*' request_id "$id" model "${1:-gemma3:1b}" \
    prompt "${2:-Why is the sky blue?}" callback "orion:inference:responses:$id"
redis-cli XREAD BLOCK 60000 STREAMS "orion:inference:responses:$id" 0
