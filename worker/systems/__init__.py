"""One room per system, and the contracts that they keep."""
