"""The wing that proves the rest: simulator, conformance suite, demo, history. The product imports none of it."""
