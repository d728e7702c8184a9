"""The needs of every process of Intake: a way to stop, a liveness file, the watchdog of systemd."""
