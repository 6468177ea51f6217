"""config/users.acl on a real server: who may do what. That each can do its work is shown by the tests
`acl.*`, which are other files of this folder run with these users (ORION_ACL=1)."""

import pytest
import redis

from cluster import SLOW_CHAT, wait_until

P = "orion:inference"
CLIENT, ROUTER, OPERATOR = "orion-client", "orion-router", "orion-operator"
WORKER = "orion-worker-pi-1"

FORBIDDEN = [
    # A client reads no requests, writes no replies, and touches nothing else.
    (CLIENT, "XRANGE", f"{P}:requests", "-", "+"),
    (CLIENT, "XREAD", "STREAMS", f"{P}:requests", "0"),
    (CLIENT, "XREADGROUP", "GROUP", "g", "c", "STREAMS", f"{P}:requests", ">"),
    (CLIENT, "XADD", f"{P}:responses:r1", "*", "type", "done"),
    (CLIENT, "XADD", f"{P}:requests:pi-1", "*", "a", "b"),
    (CLIENT, "XADD", f"{P}:events", "*", "a", "b"),
    (CLIENT, "XTRIM", f"{P}:requests", "MAXLEN", "0"),
    (CLIENT, "XDEL", f"{P}:requests", "1-1"),
    (CLIENT, "XGROUP", "DESTROY", f"{P}:requests", "inference-routers"),
    (CLIENT, "DEL", f"{P}:requests"),
    (CLIENT, "HSET", f"{P}:health", "pi-1", "{}"),
    (CLIENT, "HGETALL", f"{P}:job:r1"),
    (CLIENT, "XRANGE", f"{P}:dead", "-", "+"),
    (CLIENT, "EVAL", "return 1", "0"),
    (CLIENT, "KEYS", "*"),
    (CLIENT, "SCAN", "0"),
    (CLIENT, "CONFIG", "GET", "*"),
    (CLIENT, "FLUSHALL"),
    (CLIENT, "ACL", "LIST"),
    (CLIENT, "SUBSCRIBE", "x"),
    (CLIENT, "SET", "another:application", "1"),
    # A router keeps to the prefix, and cannot trim or destroy.
    (ROUTER, "SET", "another:application", "1"),
    (ROUTER, "XTRIM", f"{P}:requests", "MAXLEN", "0"),
    (ROUTER, "XGROUP", "DESTROY", f"{P}:requests", "inference-routers"),
    (ROUTER, "DEL", f"{P}:requests"),
    (ROUTER, "EVAL", "return redis.call('SET', KEYS[1], 1)", "1", f"{P}:drained"),
    (ROUTER, "EVAL", "return redis.call('DEL', KEYS[1])", "1", f"{P}:requests"),
    (ROUTER, "FLUSHALL"),
    (ROUTER, "CONFIG", "SET", "maxmemory", "1"),
    (ROUTER, "KEYS", "*"),
    # A worker has its own stream and epoch; of the origin it may only add to the end.
    (WORKER, "XRANGE", f"{P}:requests:pi-2", "-", "+"),
    (WORKER, "XADD", f"{P}:requests:pi-2", "*", "a", "b"),
    (WORKER, "EVAL", "return redis.call('XLEN', KEYS[1])", "1", f"{P}:requests:pi-2"),
    (WORKER, "SET", f"{P}:epoch:pi-2", "1"),
    (WORKER, "XRANGE", f"{P}:requests", "-", "+"),
    (WORKER, "XREADGROUP", "GROUP", "inference-routers", "c", "STREAMS", f"{P}:requests", ">"),
    (WORKER, "XDEL", f"{P}:requests", "1-1"),
    (WORKER, "XACK", f"{P}:requests", "inference-routers", "1-1"),
    (WORKER, "XTRIM", f"{P}:requests", "MAXLEN", "0"),
    (WORKER, "EVAL", "return redis.call('XDEL', KEYS[1], '1-1')", "1", f"{P}:requests"),
    (WORKER, "EVAL", "return redis.call('XRANGE', KEYS[1], '-', '+')", "1", f"{P}:requests"),
    (WORKER, "XADD", f"{P}:control", "*", "op", "drain", "node", "pi-2"),
    (WORKER, "SADD", f"{P}:drained", "pi-2"),
    (WORKER, "HGETALL", f"{P}:health"),
    (WORKER, "HSET", f"{P}:routers", "r", "{}"),
    (WORKER, "XREAD", "STREAMS", f"{P}:responses:r1", "0"),
    (WORKER, "SET", "another:application", "1"),
    (WORKER, "FLUSHALL"),
    # An operator looks at everything of ours, and wishes by P:control.
    (OPERATOR, "SADD", f"{P}:drained", "pi-2"),
    (OPERATOR, "XDEL", f"{P}:requests", "1-1"),
    (OPERATOR, "DEL", f"{P}:requests"),
    (OPERATOR, "HSET", f"{P}:health", "pi-1", "{}"),
    (OPERATOR, "EVAL", "return redis.call('DEL', KEYS[1])", "1", f"{P}:requests"),
    (OPERATOR, "GET", "another:application"),
    (OPERATOR, "CONFIG", "GET", "requirepass"),
    (OPERATOR, "FLUSHALL"),
    (OPERATOR, "ACL", "LIST"),
]
ALLOWED = [
    (CLIENT, "XREAD", "STREAMS", f"{P}:responses:r1", "0"),
    (CLIENT, "HGETALL", f"{P}:health"),
    (OPERATOR, "HGETALL", f"{P}:routers"),
    (OPERATOR, "XRANGE", f"{P}:dead", "-", "+"),
    (OPERATOR, "HGETALL", f"{P}:job:r1"),
    (OPERATOR, "SMEMBERS", f"{P}:drained"),
    (OPERATOR, "XREVRANGE", f"{P}:events", "+", "-", "COUNT", "10"),
    (OPERATOR, "INFO", "memory"),
]


@pytest.fixture
def guarded(new_cluster):
    """A cluster in which everybody is a user of the ACL."""
    cluster = new_cluster(users=True, start=False)
    cluster.redis.start()
    return cluster


def refusal(db, command):
    """What the server says if it forbids the command; '' if it does not."""
    try:
        db.execute_command(*command)
    except redis.exceptions.ResponseError as error:
        text = str(error)
        is_refusal = "NOPERM" in text or "no permissions" in text.lower() or "this user has" in text.lower() \
            or "user executing the script can't" in text
        return text if is_refusal else ""
    return ""


def test_each_forbidden_thing_is_refused_and_the_rest_is_not(guarded):
    users = {user: guarded.redis.client(user) for user in (CLIENT, ROUTER, WORKER, OPERATOR)}
    guarded.db.execute_command("ACL", "SETUSER", "orion-worker-pi-1", "on")
    let_through = [c for c in FORBIDDEN if not refusal(users[c[0]], c[1:])]
    assert not let_through, let_through
    stopped = [c for c in ALLOWED if refusal(users[c[0]], c[1:])]
    assert not stopped, stopped
    guarded.db.execute_command("ACL", "LOG", "RESET")


def test_without_a_password_nobody_gets_in(guarded):
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(host="127.0.0.1", port=guarded.redis.port, retry=None).ping()


def test_the_shipped_file_lets_nobody_in_before_passwords_are_set():
    import acl
    with open(acl.SHIPPED, encoding="ascii") as file:
        lines = file.read().splitlines()
    assert lines[0].startswith("user default off ")
    for line in lines[1:]:
        assert f" on {acl.NOBODY} resetchannels -@all " in line, line


def test_a_client_with_its_own_user_asks_cancels_and_sees_the_fleet(guarded):
    guarded.fleet(1)
    db = guarded.redis.client(CLIENT)
    request_id = guarded.submit(_db=db, prompt="hi", stream=True)
    wait_until(lambda: any(e["type"] == "done" for _, e in db.xrange(guarded.keys.reply(request_id))),
               "it is answered")
    assert "pi-1" in db.hgetall(guarded.keys.health)
    guarded.worker("pi-2", guarded.sim(SLOW_CHAT))
    guarded.db.xadd(guarded.keys.control, {"op": "drain", "node": "pi-1"})
    slow = guarded.submit(_db=db, prompt="hi")
    guarded.wait_running(slow)
    db.xadd(guarded.keys.control, {"op": "cancel", "request_id": slow})
    assert guarded.read_reply(slow).code == "cancelled"


def test_what_the_aof_holds_is_there_after_a_restart_with_users(new_cluster):
    """Redis 7.0 loads transactions (all that scripts write) with the rights of the user `default`: one
    that is off and without rights makes it drop them, with a line in its log."""
    cluster = new_cluster(users=True, aof=True)
    cluster.fleet(1)
    asked = [cluster.submit(prompt="hi") for _ in range(5)]
    for request_id in asked:
        assert cluster.read_reply(request_id).text
    cluster.redis.kill()
    cluster.redis.start()
    for request_id in asked:
        assert cluster.read_reply(request_id).text
        assert cluster.job(request_id)["state"] == "done"
    assert "NOPERM" not in cluster.redis.log
