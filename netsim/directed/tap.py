"""A hand on the wire of a directed scenario: frames are looked at, kept aside, changed, delivered late or again.

Law: only what a network may do to leftovers of old connections, or what the sender might as well have said a moment
earlier, is done to a frame; nothing is invented.
"""

from collections.abc import Callable
from typing import NamedTuple

from quorate.consensus.codec import decode_message, encode_message
from quorate.consensus.frames import Message
from quorate.consensus.ports import PeerId
from quorate.netsim.world import World


class Kept(NamedTuple):
    source: PeerId
    target: PeerId
    message: Message


Rule = Callable[[PeerId, PeerId, Message], Message | None]


def let_pass(_source: PeerId, _target: PeerId, message: Message) -> Message | None:
    return message


class Tap:
    """`rule(source, target, message)` says what is sent on in place of each message; None: it is kept aside."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._send = world.network.send
        self.rule: Rule = let_pass
        self.kept: list[Kept] = []
        world.network.send = self._through  # type: ignore[method-assign]  # this is what a tap is

    def _through(self, source: PeerId, target: PeerId, frame: bytes) -> bool:
        message = decode_message(frame)
        instead = self.rule(source, target, message)
        if instead is None:
            self.kept.append(Kept(source, target, message))
            return True
        return self._send(source, target, frame if instead is message else encode_message(instead))

    def deliver(self, kept: Kept) -> None:
        """It arrives now."""
        peer = self._world.running(kept.target)
        assert peer is not None, f"{kept.target} does not run"
        peer.on_frame(kept.source, encode_message(kept.message))
        self._world.touch(kept.target)

    def take(self, kind: type, source: PeerId = "", target: PeerId = "") -> list[Kept]:
        """Of what is kept aside, and forget it."""
        found = [
            one
            for one in self.kept
            if isinstance(one.message, kind) and source in ("", one.source) and target in ("", one.target)
        ]
        self.kept = [one for one in self.kept if one not in found]
        return found
