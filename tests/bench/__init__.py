"""Benchmarks: each one measures Intake and a named alternative on this machine, in one run (`make bench`)."""
