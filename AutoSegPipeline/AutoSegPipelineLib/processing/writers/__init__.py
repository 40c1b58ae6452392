"""One module for each row of :mod:`~AutoSegPipelineLib.core.result_formats`, and what they share."""

from __future__ import annotations

DISCLAIMER = "For research, not a medical device."
