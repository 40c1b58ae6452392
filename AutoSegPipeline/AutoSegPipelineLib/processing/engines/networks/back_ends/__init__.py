"""What computes a network on the CPU: torch, or OpenVINO where it is installed and decides alike."""
