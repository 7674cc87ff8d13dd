"""The shell of one real process: event loop, sockets, TLS, disk, SQLite, threads, HTTP and configuration.

Law: everything the outside world does to a peer enters here and is turned into a step of `consensus.Peer`; every
effect a peer asks for is carried out here. This layer makes no decision about tasks or about the cluster: what could
be decided without a socket, a disk or a thread belongs one layer down, where the simulator runs the same code. It
never imports `netsim`, and `boot` is the only file that wires parts together.
"""
