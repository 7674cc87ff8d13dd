"""Real processes on loopback, killed for real. Slow for that reason: each cluster takes a second or two to come up."""
