"""Jobs that producers push: reading them, and receiving them over HTTP."""
