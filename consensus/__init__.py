"""What the peers agree on, and every decision one peer takes.

Law: `Peer` is stepped from outside and speaks to the world through ports (clock, network, disk, work). It knows no
event loop, thread or socket, so that a simulated world runs the very code that ships. The replicated state changes by
`apply` alone, which is total and deterministic: the same entries give the same state on every peer, for ever, and no
data can stop it. This is the only layer that knows PySyncObj.
"""
