"""Small bundles for tests: scans of noise with orders that the fake or the tissue engine takes."""

from __future__ import annotations

import uuid
from pathlib import Path

from AutoSegPipelineLib.core.bundles.layout import Bundle
from AutoSegPipelineLib.core.bundles.packing import Packing
from AutoSegPipelineLib.core.messages.worker_messages import CaseOrder, CaseSource

from support.pipeline import write_scan


def order(scan: Path, stem: str, **more: object) -> CaseOrder:
    """What a pipeline would ask of ``scan``."""
    options: dict[str, object] = {"engine": "tissue", "formats": ["gltf"]}
    about = CaseSource(job=stem, attempt=1, format="nifti")
    fields = {"options": options, "modality": "CT", "label": stem, "source": about, **more}
    return CaseOrder("scan", str(scan), stem, "", "", **fields)  # type: ignore[arg-type]


def make_bundle(folder: Path, *stems: str, ladder: bool = False, **more: object) -> Bundle:
    """A complete bundle ``folder``/bundle of one small scan for each stem; the fake worker acts on stems."""
    folder.mkdir(parents=True, exist_ok=True)
    packing = Packing(folder / "bundle", "home-1", ladder)
    for number, stem in enumerate(stems):
        scan = write_scan(folder / "scans" / f"{stem}.nii", number)
        packing.add(uuid.uuid4().hex, 1, order(scan, stem, **more))
    return packing.publish()
