"""Who watches: alarms, metrics, signs of life."""
