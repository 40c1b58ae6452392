"""Names of our own fields in a ``.seg.nrrd``, beside those of 3D Slicer."""

from __future__ import annotations

TAG = "AutoSegPipeline."  # begins the tags of a segment; Slicer keeps tags that it does not know
FACTS = "AutoSegPipeline_Facts"
