"""Checkers of the virtual world: sound runs are silent, planted mistakes are seen."""
