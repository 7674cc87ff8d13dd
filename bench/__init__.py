"""How fast it is, printed beside what the machine itself can do in the same run."""
