"""DropStream as a provider."""
