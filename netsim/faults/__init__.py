"""What may go wrong, one class per kind.

Laws:
- A kind strikes a world now and says how it ends. Two that overlap add up: what both did is over when both are.
- A kind draws its small print from a stream named by its own place in the scenario, and touches no other stream.
"""
