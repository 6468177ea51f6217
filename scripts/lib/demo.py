#!/usr/bin/python3
"""The demo itself. Run by scripts/demo, whose --help says what it does."""

import argparse
import os
import re
import signal
import sys
import time

import redis

from demo_client import Client, piece_text
from demo_cluster import NODE_LOST_S, Cluster, DemoError, stop
from demo_mix import GREEN, HAIKU, NODES, SKY, SPEED, STORY, TEA, real_mix, simulated_mix
from demo_show import about, fleet, heading, say


class Interrupted(Exception):
    """By a signal; its number is the argument."""


def _on_signal(number, _frame):
    raise Interrupted(number)


def _catch_signals(handler):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


# --- the acts ------------------------------------------------------------------------------------

def wait_available(cluster, node):
    cluster.wait(lambda: cluster.is_available(node), lambda: f"{node} is available; it says: "
                 f"{cluster.health(node).get('reason') or 'nothing'}")


def start(cluster, options):
    """Starts everything. Returns the mix of models."""
    heading("Starting")
    cluster.start_redis()
    version = cluster.db.info("server")["redis_version"]
    say(f"Redis {version} at {cluster.redis_url}"
        + ("" if cluster.is_private else f", keys below {cluster.prefix}"))
    if options.ollama:
        mix = real_mix(options.ollama, options.model)
        urls = options.ollama * 2 if len(options.ollama) == 1 else options.ollama
        nodes = [(f"node-{i}", url, "") for i, url in enumerate(urls, 1)]
    else:
        mix = simulated_mix()
        nodes = [(name, cluster.start_ollama("ollama-" + name, models, SPEED),
                  cluster.make_sensors(name, board=board, **sensors))
                 for name, board, models, sensors in NODES]
    for name, url, root in nodes:
        cluster.start_worker(name, url, root)
        say(f"worker {name}, {'' if options.ollama else 'simulated '}Ollama at {url}")
    for name, _, _ in nodes:
        wait_available(cluster, name)
    # Any order would do; the router comes last so that its first look shows it all nodes.
    cluster.start_router("router-1")
    say("router router-1")
    cluster.wait(lambda: cluster.db.hexists(cluster.key("routers"), "router-1"),
                 "the router is there")
    return mix


def show_fleet(cluster):
    fleet(cluster.nodes(), NODE_LOST_S)


def act_fleet(cluster, mix):
    heading("The fleet")
    show_fleet(cluster)
    if mix.simulated:
        say(f"Boards, temperatures and Ollamas are simulated, {SPEED} times as fast as real Pis. A "
            "simulated Ollama has no model: it repeats the words that follow \"echo\".", "dim")
    else:
        say("The readings are those of this machine, on which all the workers run.", "dim")


def act_mix(client, mix):
    heading("A mix of requests, all at once")
    question = mix.message("How do I make tea?", TEA)
    requests = [
        client.submit("sky", f"chat, {mix.chat}, streamed", model=mix.chat, stream="1",
                      progress="1", client="alice",
                      messages=[mix.message("Why is the sky blue?", SKY)], **mix.limit(60)),
        client.submit("tea", f"chat, {mix.chat}, streamed, first turn of a session", model=mix.chat,
                      stream="1", client="bob", session="kitchen",
                      messages=[question], **mix.limit(60)),
    ]
    if mix.other:
        requests.append(client.submit(
            "haiku", f"generate, {mix.other}, in one piece, high priority", model=mix.other,
            client="alice", priority="high", prompt=mix.words("Write a haiku on queues.", HAIKU),
            **mix.limit(40)))
    if mix.embed:
        requests.append(client.submit("vectors", f"embed, {mix.embed}, two texts", model=mix.embed,
                                      client="carol", input=["a cup of tea", "the blue sky"]))
    else:
        say("(No embed request: none of the Ollamas has a model for it.)", "dim")
    client.finish(requests, mix.timeout_s)

    heading("The session's second turn")
    answer = {"role": "assistant", "content": piece_text(requests[1].end["response"])}
    second = client.submit(
        "tea-2", f"chat, {mix.chat}, streamed, with the first turn before it", model=mix.chat,
        stream="1", client="bob", session="kitchen",
        messages=[question, answer, mix.message("And green tea?", GREEN)], **mix.limit(60))
    client.finish([second], mix.timeout_s)


def act_heat(cluster, client, mix):
    """The coolest node becomes the hottest one: its sensor's file is written anew."""
    node = NODES[0][0]
    heading(f"{node} gets hot")
    cluster.make_sensors(node, temp=81.5)
    client.pump(lambda: ("node_hot", node) in client.seen, f"the router sees {node} hot", 10)
    request = client.submit("warm", f"generate, {mix.chat}", model=mix.chat,
                            prompt=mix.words("", "Somebody else answers this one."))
    client.finish([request], mix.timeout_s)
    if request.end["node"] == node:
        raise DemoError(f"{node} got a request although it is too hot")
    cluster.make_sensors(node, temp=52.0)
    client.pump(lambda: cluster.is_available(node), f"{node} has cooled down", 10)


def act_kill(cluster, client, mix):
    """Returns the node that was killed."""
    heading("kill -9 in the middle of an answer")
    requests = [client.submit(f"story-{i}", f"generate, {mix.chat}, streamed", model=mix.chat,
                              stream="1", prompt=mix.words("Tell me a long story.", STORY),
                              **mix.limit(150))
                for i in range(1, len(cluster.nodes()) + 2)]

    def half_told():
        return next((r for r in requests if r.length >= 80 and not r.end), None)

    client.pump(half_told, "half of a story", mix.timeout_s)
    victim = half_told()
    client.flush(victim)
    node = cluster.db.hget(cluster.key(f"job:{victim.name}"), "node")
    worker = cluster.process(node)
    worker.kill()
    about(node, "**", f"kill -9 {worker.pid}: its worker is gone, {victim.name} is half told. The "
          f"router takes work back {NODE_LOST_S} s after the last sign of life (15 by default).",
          "bad")
    client.finish(requests, mix.timeout_s)
    if int(victim.end["attempt"]) < 2 or victim.end.get("node") == node:
        raise DemoError(f"{victim.name} was answered by {victim.end.get('node')} in attempt "
                        f"{victim.end['attempt']}, not again by another node")
    others = [h["node_id"] for h, _ in cluster.nodes() if h["node_id"] != node]
    client.pump(lambda: all(cluster.health(other)["in_flight"] == 0 for other in others),
                "every node says that it is idle", 10)
    show_fleet(cluster)
    return node


def act_summary(cluster, client, killed, began_s):
    heading("Summary")
    client.pump(lambda: client.left_over() == 0, "nothing is left in the queues", 10)
    broken = client.broken_promises()
    for sentence in broken:
        say(sentence, "bad")
    n = len(client.requests)
    if broken:
        raise DemoError(f"{len(broken)} of {n} requests were not answered as promised")
    again = ", ".join(r.name for r in client.requests.values() if int(r.end["attempt"]) > 1)
    say(f"{n} requests submitted, {n} answered, each with exactly one last entry; {again} by "
        f"another node after {killed} was killed; nothing is left waiting. "
        f"{time.monotonic() - began_s:.0f} s.", "good")


def print_keep(cluster, mix, killed):
    cluster.process(killed).start()
    wait_available(cluster, killed)
    cluster.save()
    if cluster.redis_url.startswith("unix://"):
        cli = f"redis-cli -s {cluster.redis_url.removeprefix('unix://').split('?')[0]}"
    else:
        cli = f"redis-cli -u {cluster.redis_url}"
    if cluster.password_file:
        cli = f"REDISCLI_AUTH=$(cat {cluster.password_file}) {cli}"
    heading("The cluster stays up")
    print(f"""# {killed} was started again. Talk to the fleet, in this shell or another:
cli() {{ {cli} "$@"; }}
P={cluster.prefix}
# ask, and read pieces and answer (again from the last id that you saw)
cli XADD $P:requests '*' request_id r1 model {mix.chat} prompt 'echo hello' \\
    stream 1 callback $P:responses:r1
cli XREAD BLOCK 10000 STREAMS $P:responses:r1 0
# cancel a request; take a node out of service and back
cli XADD $P:control '*' op cancel request_id r1
cli XADD $P:control '*' op drain node {killed}
cli XADD $P:control '*' op undrain node {killed}
# the nodes' health; what happened lately; what was given up
cli HGETALL $P:health
cli XREVRANGE $P:events + - COUNT 10
cli XRANGE $P:dead - +
# logs and settings of every process
ls {cluster.directory}
# the end of it
scripts/demo --stop {cluster.directory}""", flush=True)


# --- the frame -----------------------------------------------------------------------------------

def play(cluster, options):
    began_s = time.monotonic()
    mix = start(cluster, options)
    act_fleet(cluster, mix)
    client = Client(cluster)
    act_mix(client, mix)
    if mix.simulated:
        act_heat(cluster, client, mix)
    killed = act_kill(cluster, client, mix)
    act_summary(cluster, client, killed, began_s)
    if options.keep:
        print_keep(cluster, mix, killed)


def show_logs(cluster):
    for name, lines in cluster.logs():
        print(f"--- {name}", *lines, sep="\n", file=sys.stderr)


def run(options):
    """Exit code."""
    cluster = Cluster(options.bin, options.keep, options.redis, options.redis_password_file)
    code = 1
    try:
        play(cluster, options)
        code = 0
    except Interrupted as signalled:
        code = 128 + signalled.args[0]
        print("\ndemo: interrupted", file=sys.stderr)
    except (DemoError, redis.RedisError, OSError) as error:
        sys.stdout.flush()
        show_logs(cluster)
        print(f"demo: {error}", file=sys.stderr)
    finally:
        if code != 0 or not options.keep:
            _catch_signals(signal.SIG_IGN)
            ended = cluster.close()
            print(f"Cleaned up: {ended} processes ended, {cluster.directory} removed.", flush=True)
    return code


def parse():
    parser = argparse.ArgumentParser(prog="scripts/demo", add_help=False, allow_abbrev=False,
                                     usage="scripts/demo [OPTIONS], see scripts/demo --help")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--stop")
    parser.add_argument("--ollama", action="append", default=[])
    parser.add_argument("--model")
    parser.add_argument("--redis")
    parser.add_argument("--redis-password-file")
    parser.add_argument("--bin")
    parser.add_argument("--from", dest="start_directory", default=".")  # of relative paths
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.model and not options.ollama:
        parser.error("--model needs --ollama: the simulated Ollamas have the models of the demo")
    if options.redis_password_file:
        path = os.path.join(options.start_directory, options.redis_password_file)
        options.redis_password_file = os.path.abspath(path)
        if not os.access(path, os.R_OK):
            parser.error(f"--redis-password-file: cannot read {path}")
    if options.redis and re.match(r"[a-z]+://[^/@]*:[^/@]*@", options.redis):
        parser.error("--redis: no password in the URL, see --redis-password-file")
    return options


def main():
    options = parse()
    if options.check:
        return 0
    if options.stop:
        try:
            ended = stop(os.path.join(options.start_directory, options.stop))
        except DemoError as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1
        print(f"{ended} processes ended, {options.stop} removed.")
        return 0
    _catch_signals(_on_signal)
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
