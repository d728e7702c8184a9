"""Reconcile: what a source has compared with what a target has, order by order."""
