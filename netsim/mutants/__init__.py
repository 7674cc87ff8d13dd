"""Bugs made on purpose, in memory, and the proof that each is noticed.

Law: a mistake somebody could make, not sabotage; its name says what the broken program does. A check that stays green
while its promise is broken checks nothing.
"""

from quorate.netsim.mutants.hunting import Row, catch, hunt
from quorate.netsim.mutants.table import MUTANTS, Mutant

__all__ = ["MUTANTS", "Mutant", "Row", "catch", "hunt"]
