"""One virtual world in which whole clusters of real `consensus.Peer` objects run, fail and heal, reproducibly.

Law: a run is a function of its seed. Time, network, disk and work are simulated; the peers are not: they are the
objects that ship, driven through the same ports as by `node`. This layer never imports `node`, and nothing that ships
in a real process depends on it.
"""
