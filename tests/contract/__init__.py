"""The conformance suite, run on our own adapters and on adapters that must fail it."""
