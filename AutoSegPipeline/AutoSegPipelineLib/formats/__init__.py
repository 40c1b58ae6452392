"""The file formats of volumes: one reader for headers and one for voxels, shared by intake and processing."""
