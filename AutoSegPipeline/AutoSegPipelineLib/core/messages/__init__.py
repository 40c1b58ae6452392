"""What the pipeline and its child processes say to each other, one file for each conversation."""
