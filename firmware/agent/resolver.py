"""Name look-up: getaddrinfo stops the whole board for as long as the resolver takes (15 s, say).

So it is done while the bus is idle, and an address is kept for as long as it works. No timeout
here can shorten it; the watchdog's is longer. Must never be called by a task that holds the bus.
"""

import socket


def look_up(host, port):
    """IP address of `host` as text; blocks. OSError if there is none."""
    address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0][-1]
    if isinstance(address, tuple):
        return address[0]
    family, packed = socket.sockaddr(address)[:2]  # the unix port of MicroPython
    return socket.inet_ntop(family, packed)


class Resolver:
    """`await bus_idle()` returns when nothing is hurt by a long stop."""

    def __init__(self, bus_idle, look_up=look_up):
        self._bus_idle = bus_idle
        self._look_up = look_up
        self._known = {}

    async def address(self, host, port):
        """IP address of `host`: the one that worked, or a new look-up. OSError."""
        if host.replace(".", "").isdigit():
            return host
        if host not in self._known:
            await self._bus_idle()
            self._known[host] = self._look_up(host, port)
        return self._known[host]

    def forget(self, host):
        """The address did not work: ask again next time."""
        self._known.pop(host, None)
