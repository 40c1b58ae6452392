"""Header parsers, one file per format; none of them reads voxels."""
