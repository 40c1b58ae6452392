"""What engines that run nnU-Net's networks share: the pool of loaded models, devices, progress, trouble."""
