"""The conformance suite, run on our own adapters and on saboteurs that must fail it."""
