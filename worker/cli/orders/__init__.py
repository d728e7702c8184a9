"""Commands for single orders: show, dead, doubt, release, erase."""
