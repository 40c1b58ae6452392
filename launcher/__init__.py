"""Makes the environment that AutoSegPipeline runs in and becomes the command line. Standard library only."""
