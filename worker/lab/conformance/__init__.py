"""The conformance suite: the contract of adapters as checks that any adapter can run, delivered as a pytest plugin."""
