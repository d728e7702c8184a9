"""A fuzzer: hostile records of every provider, read by the real poll and the real ingest over real HTTP."""
