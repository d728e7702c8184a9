"""The report of a period, for readers without a terminal."""
