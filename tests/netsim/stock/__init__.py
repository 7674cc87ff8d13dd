"""Stock PySyncObj 0.3.17 in the same world as our peers: same faults, same laws. `python -m tests.netsim.stock`."""
