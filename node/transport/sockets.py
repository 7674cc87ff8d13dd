"""Options of the sockets between peers."""

import socket

_PROBES = 3


def notice_silence(sock: socket.socket, silent_s: float) -> None:
    """The kernel gives a connection up when its other end has acknowledged nothing for `silent_s`.

    RFC 5482: TCP_USER_TIMEOUT bounds unacknowledged data; keepalive probes do the same for an idle connection.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    every_s = max(1, round(silent_s / (_PROBES + 1)))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, every_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, every_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(silent_s * 1000))
