"""The needs of every process of Intake: output, a way to stop, a liveness file, the watchdog of systemd."""
