"""Programs that show what Quorate is for; each runs from a checkout as `python -m examples.<name>`."""
