"""A network of two ends on this machine, one in a namespace of its own, that can be cut: packets are lost, nobody is told.

Needs root and iproute2; tests that use it are skipped without.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_NEW_NETWORK = 0x40000000
_NAMESPACES = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Cable:
    """`near` is the address of this end; sockets of the far end reach it while the cable is whole."""

    name: str
    near: str

    def far_socket(self) -> socket.socket:
        """Return a TCP socket that is at the far end."""
        made: list[socket.socket] = []

        def enter_and_make() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with (_NAMESPACES / self.name).open("rb") as namespace:
                if libc.setns(namespace.fileno(), _NEW_NETWORK) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.socket())

        # Only this thread enters the namespace, and it ends there; the socket stays.
        thread = threading.Thread(target=enter_and_make)
        thread.start()
        thread.join()
        made[0].setblocking(False)
        return made[0]

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Let nothing through within the block."""
        _far(self.name, "link", "set", f"{self.name}f", "down")
        try:
            yield
        finally:
            _far(self.name, "link", "set", f"{self.name}f", "up")


@contextlib.contextmanager
def cable() -> Iterator[Cable]:
    """Lay a cable. Skips the test where nobody may, or where there is no `ip`."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        # Nobody else may lay one; broken connections are tested everywhere (tests/integration/interfaces/test_cut.py).
        pytest.skip("a network that can be cut needs root and iproute2")
    name = f"hl7{secrets.token_hex(3)}"
    subnet = f"10.{secrets.randbelow(120) + 100}.{secrets.randbelow(250)}"
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as refused:
        # Root of a container has not every right of root; what else can fail below is an error of this test.
        pytest.skip(f"namespaces cannot be made here: {refused.stderr.decode().strip()}")
    try:
        _ip("link", "add", f"{name}n", "type", "veth", "peer", "name", f"{name}f", "netns", name)
        _ip("addr", "add", f"{subnet}.1/30", "dev", f"{name}n")
        _ip("link", "set", f"{name}n", "up")
        _far(name, "addr", "add", f"{subnet}.2/30", "dev", f"{name}f")
        _far(name, "link", "set", f"{name}f", "up")
        yield Cable(name, f"{subnet}.1")
    finally:
        # The other half of the pair goes with its namespace, when its last socket is closed.
        subprocess.run(["ip", "link", "del", f"{name}n"], check=False, capture_output=True)
        _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _far(name: str, *words: str) -> None:
    _ip("-n", name, *words)
