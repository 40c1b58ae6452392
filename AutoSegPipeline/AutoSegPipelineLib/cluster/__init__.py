"""Work on other machines: bundles on a share, run by a scheduler that is there already."""
