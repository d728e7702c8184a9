"""Programs that the benchmarks run in their own processes."""
