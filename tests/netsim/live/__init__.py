"""Tests of quorate.netsim.live: its parts one by one, and its checks on evidence that was tampered with."""
