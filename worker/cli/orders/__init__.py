"""Commands about single orders: show, dead, doubt, release, erase."""
