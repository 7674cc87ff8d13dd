"""Tests of quorate.consensus."""
