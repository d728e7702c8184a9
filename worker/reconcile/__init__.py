"""Reconcile: compare the orders of a source with those of a target, one by one."""
