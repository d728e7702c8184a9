"""Benchmarks: each measures this machine beside a named alternative, in one run. `python -m bench`, by `make bench`."""
