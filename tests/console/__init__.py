"""The console in a browser: its pages checked, and pictures of them for the docs."""
