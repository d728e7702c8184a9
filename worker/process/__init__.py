"""What every process of Intake needs: a way to stop, a liveness file, the watchdog of systemd."""
