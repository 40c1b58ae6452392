"""AutoSegPipeline: a scan goes in by any door, named 3D anatomy comes out."""

__version__ = "0.1.0"
