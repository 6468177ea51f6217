"""config/users.acl on a test's server: the shipped file, with known passwords and more nodes."""

import hashlib
import os
import random
import socket

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHIPPED = os.path.join(TOP, "config", "users.acl")
NOBODY = "#" + 64 * "0"  # the hash that stands in the shipped file: of no known password
NODE = "pi-1"  # the node that the shipped file has a user for
ADMIN = "test-admin"  # the test itself, with every right
IS_ON = bool(os.environ.get("ORION_ACL"))  # every cluster of this run has users


def password(user):
    return "secret of " + user


def free_port():
    """Not one that the kernel gives to clients: it must still be free when a server comes back."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Users:
    """The ACL file of one server."""

    def __init__(self, directory):
        self.directory = directory
        self.path = os.path.join(directory, "users.acl")
        self.nodes = []
        self.add_node(NODE)

    def add_node(self, node):
        """Into the file. Returns what ACL SETUSER wants for a server that runs; [] if it is there.

        (ACL LOAD would close every connection.)
        """
        if node in self.nodes:
            return []
        self.nodes.append(node)
        lines = [f"user {ADMIN} on >admin ~* &* +@all"]
        with open(SHIPPED, encoding="ascii") as file:
            shipped = file.read().splitlines()
        for line in shipped:
            if f"user orion-worker-{NODE} " in line:
                lines += [line.replace(NODE, node) for node in self.nodes]
            else:
                lines.append(line)
        lines = [self._with_password(line) for line in lines]
        with open(self.path, "w", encoding="ascii") as file:
            file.writelines(line + "\n" for line in lines)
        return next(line for line in lines if f"-worker-{node} " in line).split()[1:]

    @staticmethod
    def _with_password(line):
        user = line.split()[1]
        return line.replace(NOBODY, "#" + hashlib.sha256(password(user).encode()).hexdigest())

    def password_file(self, user):
        path = os.path.join(self.directory, "password-" + user)
        with open(path, "w", encoding="ascii") as file:
            file.write(password(user) + "\n")
        return path
