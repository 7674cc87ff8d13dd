"""How a client talks to a cluster, without any input or output.

Law: values and decisions only. What is sent, what an answer means, whom to ask next and when to give up are decided
here, once, and are carried out by `quorate.calls`. Nothing here opens a socket, sleeps, or knows the engine.
"""
