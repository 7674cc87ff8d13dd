"""The rules of tasks: what a task is, which states it may take, what it waits for, who should run it and when.

Law: pure. Everything here is a function of its arguments: no input or output, no clock, no randomness, no thread, no
hash order. Whatever depends on time is given the time. It imports none of the other layers, so every rule can be
tested, and believed, on its own.
"""
