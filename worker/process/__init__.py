"""What any process of ours needs: stopping, liveness, systemd."""
