"""The contract of adapters as checks that anybody's adapter can be held to: a plug-in for pytest."""
