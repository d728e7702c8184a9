"""Jobs that producers push, from their text to what is ingested."""
