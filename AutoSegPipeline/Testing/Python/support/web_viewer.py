"""What the tests of the viewer do in it: click at a part of the stage, look at pixels, read places."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

# Places in RAS millimetres
_MARK = """(() => { const p = autosegViewer.scene.mark.position;
return [-1000 * p.x, 1000 * p.z, 1000 * p.y]; })()"""
_CROSSHAIR = """(() => { const { nv } = autosegViewer.slices;
return [...nv.frac2mm(nv.scene.crosshairPos)].slice(0, 3); })()"""
_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


def mark(page: Any) -> list[float]:
    """Where the mark in 3D is, RAS mm."""
    found: list[float] = page.evaluate(_MARK)
    return found


def crosshair(page: Any) -> list[float]:
    """Where the crosshair of the slices is, RAS mm."""
    found: list[float] = page.evaluate(_CROSSHAIR)
    return found


def until_still(page: Any) -> None:
    """Until what was asked to be drawn is drawn."""
    page.evaluate(_FRAMES)


def pixels(page: Any, selector: str) -> np.ndarray:
    """What is seen of an element, as RGB, shape (height, width, 3)."""
    until_still(page)
    return png(page.locator(selector).screenshot())


def png(data: bytes) -> np.ndarray:
    """A picture as RGB, shape (height, width, 3)."""
    import SimpleITK as sitk

    with TemporaryDirectory() as folder:
        path = Path(folder) / "p.png"
        path.write_bytes(data)
        return np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(path))))[..., :3].astype(int)


def click_at(page: Any, x: float, y: float) -> bool:
    """Click at a part (0 to 1, from the top left) of the 3D view; whether a structure is there now."""
    box = page.locator("#stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    return bool(page.evaluate("autosegViewer.tree.chosen !== null"))


def seen_at(page: Any, structure: str) -> tuple[float, float]:
    """A part (0 to 1, from the top left) of the 3D view that shows ``structure`` and nothing else."""
    place = page.evaluate(
        """(name) => {
        const { scene } = autosegViewer; const one = scene.structures.find((item) => item.name === name);
        for (let y = 0.8; y > -0.8; y -= 0.05) for (let x = -0.8; x < 0.8; x += 0.05) {
          const hits = [scene.at(x, y), scene.at(x + 0.03, y + 0.03)];
          if (hits.every((hit) => hit?.structure === one)) return [x + 0.015, y + 0.015];
        } return null; }""",
        structure,
    )
    assert place, f"{structure} is not seen"
    return (1 + place[0]) / 2, (1 - place[1]) / 2
