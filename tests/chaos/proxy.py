"""A TCP proxy that injects faults: one process, one listener ("link") for each pair of parts.

    proxy.py SPEC.json     SPEC: {"links": {NAME: UPSTREAM}, "control": PATH, "marks": [NAME...]}

UPSTREAM is "unix:PATH" or "PORT" on loopback. Prints {"ports": {NAME: PORT}} and then takes
commands on the unix socket `control`, one JSON object a line, each answered by one:

    {"op": "cut", "link": L}                         reset every connection of the link
    {"op": "refuse", "link": L, "on": true}          reset new connections at once
    {"op": "stall", "link": L, "on": true}           forward nothing, close nothing, until off
    {"op": "halfopen", "link": L, "way": "up|down|both"}  present connections: that way is swallowed
                                                     for ever, and an end is not passed on
    {"op": "cut_after", "link": L, "bytes": N, "way": "up|down"}  reset after N more bytes of what
                                                     is asked (up) or of replies (down)
    {"op": "delay", "link": L, "ms": N}              each piece that much later (0: off)
    {"op": "throttle", "link": L, "rate": BYTES}     per second and way (0: off)
    {"op": "heal", "link": L}                        all of that off (half-open ones stay so)
    {"op": "marks"}                                  how often each [[mark]] went up a marked link,
                                                     and what came of the faults

The links in `marks` lead to Ollamas: each request body carries its request id as [[id]], so the
marks tell how often each request really ran, whatever anybody's books say.
"""

import asyncio
import collections
import ctypes
import json
import re
import signal
import socket
import struct
import sys

PR_SET_PDEATHSIG = 1
CHUNK_LIMIT = 256 * 1024  # bytes that may wait in one direction before we stop reading
MARK = re.compile(rb"\[\[([A-Za-z0-9._:-]{1,128})\]\]")
MARK_MAX = 160
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST

loop = None


def reset(transport):
    """Ends a connection as a crashed host's kernel does: RST, nothing flushed."""
    if transport is None or transport.is_closing():
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_INET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()


class Link:
    def __init__(self, name, upstream, marked):
        self.name, self.upstream, self.marked = name, upstream, marked
        self.pairs, self.marks = set(), {}
        self.connections = 0
        self.effects = collections.Counter()  # of each op: connections, bytes or pieces it changed
        self.heal()

    def heal(self):
        self.refusing = self.stalled = False
        self.delay_s, self.rate, self.cut_after, self.cut_way = 0.0, 0, None, "down"
        for pair in list(getattr(self, "pairs", ())):
            pair.flow()

    def count(self, mark):
        text = mark.decode("ascii")
        self.marks[text] = self.marks.get(text, 0) + 1

    def connect(self, side):
        if self.upstream.startswith("unix:"):
            return loop.create_unix_connection(lambda: side, self.upstream[5:])
        return loop.create_connection(lambda: side, "127.0.0.1", int(self.upstream))

    def cut(self):
        self.effects["cut"] += len(self.pairs)
        for pair in list(self.pairs):
            pair.reset()

    def command(self, order):
        op = order["op"]
        if op == "cut":
            self.cut()
        elif op == "refuse":
            self.refusing = order["on"]
        elif op == "stall":
            self.stalled = order["on"]
            self.effects["stall"] += len(self.pairs) if order["on"] else 0
            for pair in list(self.pairs):
                pair.flow()
        elif op == "halfopen":
            for pair in list(self.pairs):
                pair.swallow |= {"up", "down"} if order["way"] == "both" else {order["way"]}
        elif op == "cut_after":
            self.cut_after, self.cut_way = order["bytes"], order["way"]
        elif op == "delay":
            self.delay_s = order["ms"] / 1000
        elif op == "throttle":
            self.rate = order["rate"]
        elif op == "heal":
            self.heal()
        else:
            return {"error": "unknown op"}
        return {"ok": True, "connections": len(self.pairs)}


class Side(asyncio.Protocol):
    """One end of a pair; `way` is where what it hears is going."""

    def __init__(self, pair, way):
        self.pair, self.way = pair, way
        self.transport, self.tail = None, b""
        self.next_s, self.queued = 0.0, 0
        self.late = collections.deque()  # pieces on their way, in order: a heal makes moments equal

    def connection_made(self, transport):
        self.transport = transport
        if self.way == "up":
            self.pair.client_here()

    def data_received(self, data):
        link = self.pair.link
        if self.way in self.pair.swallow:
            link.effects["halfopen"] += len(data)
            return
        if link.marked and self.way == "up":
            self.look_for_marks(data)
        if link.cut_after is not None and self.way == link.cut_way:
            data, link.cut_after = data[:link.cut_after], link.cut_after - len(data)
            if link.cut_after <= 0:
                link.cut_after = None
                link.effects["cut_after"] += 1
                self.pair.other(self).send(data)
                loop.call_later(0.002, self.pair.reset)
                return
        self.pass_on(data)

    def look_for_marks(self, data):
        text, end = self.tail + data, 0
        for found in MARK.finditer(text):
            self.pair.link.count(found.group(1))
            end = found.end()
        self.tail = text[end:][-MARK_MAX:]

    def pass_on(self, data):
        """Now, or as late as the link wants; pieces keep their order."""
        link, now = self.pair.link, loop.time()
        at = max(now + link.delay_s, self.next_s)
        if link.rate:
            at += len(data) / link.rate
        link.effects["delay"] += link.delay_s > 0
        link.effects["throttle"] += link.rate > 0
        if at <= now and not self.queued:
            self.pair.other(self).send(data)
            return
        self.next_s = at
        self.queued += len(data)
        self.late.append(data)
        loop.call_at(at, self.pass_late)
        self.pair.flow()

    def pass_late(self):
        """The oldest piece, whichever timer it is: bytes never overtake each other."""
        if self.pair.link.stalled:
            loop.call_later(0.05, self.pass_late)
            return
        data = self.late.popleft()
        self.queued -= len(data)
        self.pair.other(self).send(data)
        self.pair.flow()

    def send(self, data):
        if self.transport is None:
            self.pair.early.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)

    def eof_received(self):
        if not self.pair.swallow:
            loop.call_at(max(loop.time(), self.next_s) + 0.001, self.pair.close)
        return True

    def connection_lost(self, _error):
        if not self.pair.swallow:
            loop.call_at(max(loop.time(), self.next_s) + 0.001, self.pair.close)

    def pause_writing(self):
        self.pair.other(self).pause(True)

    def resume_writing(self):
        self.pair.flow()

    def pause(self, on):
        transport = self.transport
        if transport is not None and not transport.is_closing():
            (transport.pause_reading if on else transport.resume_reading)()


class Pair:
    def __init__(self, link):
        self.link, self.swallow, self.early = link, set(), []
        self.client, self.server = Side(self, "up"), Side(self, "down")

    def other(self, side):
        return self.server if side is self.client else self.client

    def client_here(self):
        if self.link.refusing:
            self.link.effects["refuse"] += 1
            reset(self.client.transport)
            return
        self.link.pairs.add(self)
        self.link.connections += 1
        loop.create_task(self.dial())
        self.flow()

    async def dial(self):
        try:
            await self.link.connect(self.server)
        except OSError:
            self.reset()
            return
        if self not in self.link.pairs:
            reset(self.server.transport)
            return
        early, self.early = self.early, []
        for data in early:
            self.server.send(data)
        self.flow()

    def flow(self):
        for side in (self.client, self.server):
            side.pause(self.link.stalled or side.queued > CHUNK_LIMIT)

    def close(self):
        for side in (self.client, self.server):
            if side.transport is not None:
                side.transport.close()
        self.link.pairs.discard(self)

    def reset(self):
        self.link.pairs.discard(self)
        reset(self.client.transport)
        reset(self.server.transport)


class Proxy:
    def __init__(self, spec):
        marked = set(spec.get("marks", ()))
        self.links = {n: Link(n, u, n in marked) for n, u in spec["links"].items()}
        self.control = spec["control"]

    def answer(self, line):
        order = json.loads(line)
        if order["op"] == "marks":
            total = {}
            for link in self.links.values():
                for mark, n in link.marks.items():
                    total[mark] = total.get(mark, 0) + n
            effects = sum((link.effects for link in self.links.values()), collections.Counter())
            return {"marks": total, "effects": effects,
                    "connections": {n: link.connections for n, link in self.links.items()}}
        return self.links[order["link"]].command(order)

    async def serve_control(self, reader, writer):
        while line := await reader.readline():
            writer.write(json.dumps(self.answer(line)).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def run(self):
        ports = {}
        for name, link in self.links.items():
            server = await loop.create_server(lambda link=link: Pair(link).client, "127.0.0.1", 0)
            ports[name] = server.sockets[0].getsockname()[1]
        await asyncio.start_unix_server(self.serve_control, self.control, limit=1 << 20)
        print(json.dumps({"ports": ports}), flush=True)
        await asyncio.Event().wait()


async def main():
    global loop
    loop = asyncio.get_running_loop()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    await Proxy(spec).run()


if __name__ == "__main__":
    asyncio.run(main())
