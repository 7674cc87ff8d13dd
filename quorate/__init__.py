"""Quorate: a peer-to-peer consensus cluster that coordinates tasks with no central coordinator.

Law: this package is what users import and type. It promises the names of its public surface and hides where they
live. Importing it costs no consensus engine, no event loop and no socket: whoever only submits tasks pays for a
client, and `Peer`, which brings the whole engine, is loaded when it is first asked for. `quorate.cli` stands on top
of everything and is imported by nothing.
"""
