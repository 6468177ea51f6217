"""A Redis whose connections break: a proxy in front of it that loses chosen answers."""

import os
import socket
import threading


class Lossy:
    """Breaks a connection instead of passing on an answer that holds `mark`, `losses` times."""

    def __init__(self, upstream, path, mark, losses):
        self.upstream, self.path, self.mark, self.losses = upstream, path, mark, losses
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.upstream)
            except OSError:
                client.close()
                continue
            for pair in (client, server, lambda data: False), (server, client, self.loses):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    def loses(self, data):
        with self.lock:
            if self.mark not in data or self.losses == 0:
                return False
            self.losses -= 1
            return True

    def close(self):
        self.listener.close()
        os.unlink(self.path)


def pump(source, sink, loses):
    """Passes on what `source` says until one of them ends, or what it says is to be lost."""
    try:
        while (data := source.recv(65536)) and not loses(data):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
