"""The JSON that other systems and producers send."""
