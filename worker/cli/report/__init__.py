"""The report of a period: what was counted, told to a person who has no terminal."""
