"""Three programs, each with a peer of one cluster inside: see README.md."""
