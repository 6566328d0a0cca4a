"""What is done to a hub rather than by it: backup and restore, the doctor, the demo."""
