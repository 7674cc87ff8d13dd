"""Tests of quorate.netsim, and of whole clusters inside it."""
