"""Streams between hosts, compared byte for byte."""
import hashlib
import os
import socket
import threading

from lab import inside


def tcp(source, destination, address, size, patience=60, port=7777):
    """Sends `size` random bytes from one namespace to `address` in another. Whether they came as they were, and how many came."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(destination.name):
        listener = socket.create_server((address, port), family=family)
    with inside(source.name):
        client = socket.socket(family, socket.SOCK_STREAM)
    data, got, digest = os.urandom(size), [0], hashlib.sha256()

    def receive():
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(patience)
                while part := connection.recv(1 << 20):
                    digest.update(part)
                    got[0] += len(part)
        except OSError:
            pass  # what is missing is seen by its size

    listener.settimeout(patience)
    receiver = threading.Thread(target=receive)
    receiver.start()
    try:
        with client:
            client.settimeout(patience)
            client.connect((address, port))
            client.sendall(data)
    except OSError:
        pass
    receiver.join()
    listener.close()
    return digest.digest() == hashlib.sha256(data).digest(), got[0]
