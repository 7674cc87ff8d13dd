"""Chaos on real processes: the same ideas as in the virtual world, on this machine's processes, sockets and disks.

Laws
- A seed draws the schedule of faults, not the run: real time, real threads and the kernel decide the rest. Repeating a
  seed repeats what is done to the cluster and when, and nothing more.
- Peers are started as a user starts them and spoken to from outside only: signals, TCP, files, HTTP.
- Whatever happens, no process, port or limit outlives the run; a folder does where the user named it.
- Checks look at what clients were told, what handlers really did (an append-only file) and what every peer tells when
  all is healed. They know nothing of how peers work.
"""
