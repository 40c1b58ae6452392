"""What replaces inner functions of TotalSegmentator beside these functions, in the Python that has it.

``python lean_probe.py`` prints what it found as JSON.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Callable

import nibabel
import numpy as np
from AutoSegPipelineLib.processing.engines.networks.quick_crop import box_of
from AutoSegPipelineLib.processing.engines.totalsegmentator import blobs, native_images, resampling
from scipy import ndimage
from totalsegmentator import cropping, postprocessing
from totalsegmentator import resampling as theirs

RANDOM = np.random.default_rng(5)


def image(shape: tuple[int, ...], spacing: tuple[float, ...], kind: type, most: int) -> Any:
    """Random numbers; a block of one value, so that rounding towards zero would show."""
    data = RANDOM.integers(-most if kind is np.int16 else 0, most, shape).astype(kind)
    data[: shape[0] // 2, :, : shape[2] // 2] = most - 1
    return nibabel.Nifti1Image(data, np.diag([*spacing, 1.0]))


def resampled() -> dict[str, bool]:
    """Scans and labels to other grids and back, by both."""
    ours = resampling.change_spacing(theirs.change_spacing)
    found = {}
    grids = [
        ((61, 53, 147), (0.9765625, 0.9765625, 0.8)), ((40, 33, 29), (1.5, 1.5, 5.0)),
        ((31, 64, 70), (2.1, 0.7, 1.25)), ((50, 41, 37), (1.5, 1.5, 1.5)), ((9, 8, 1), (3.0, 2.0, 7.0)),
    ]  # fmt: skip
    for shape, spacing in grids:
        for mm in (1.5, 3.0, 6.0):
            scan = image(shape, spacing, np.int16, 1500)
            a = ours(native_images.native_scan(scan), [mm] * 3, order=1, dtype=np.int32)
            b = theirs.change_spacing(scan, [mm] * 3, order=1, dtype=np.int32)
            labels = image(a.shape, (mm,) * 3, np.uint8, 118)
            back = {"target_shape": shape, "order": 0, "dtype": np.uint8, "force_affine": scan.affine}
            c = ours(native_images.native(labels), [mm] * 3, **back)
            d = theirs.change_spacing(labels, [mm] * 3, **back)
            found[f"{shape} at {mm}"] = equal(a, b) and equal(c, d) and c.dataobj.dtype == np.uint8
    # What ours does not know is done by theirs, in double precision.
    scan = image((20, 21, 22), (1.0, 2.0, 1.0), np.int16, 1500)
    a = ours(native_images.native_scan(scan), [1.5] * 3, order=3, dtype=np.float32)
    found["order 3"] = equal(a, theirs.change_spacing(scan, [1.5] * 3, order=3, dtype=np.float32))
    return found


def equal(one: Any, other: Any) -> bool:
    same = np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
    return bool(same and np.array_equal(one.affine, other.affine) and one.shape == other.shape)


def planes() -> dict[str, Any]:
    """Slabs begin where they should for every number of planes, and how often one had to begin earlier."""
    earlier = steps = 0
    for a in range(2, 900, 13):
        for b in range(2, 900, 17):
            step, plane = (a - 1) / (b - 1), b // 2
            offset = resampling._exact_offset(plane, step)
            earlier += offset is None
            steps += 1
            assert offset is None or offset / step == plane
    return {"steps": steps, "earlier": earlier}


def files() -> dict[str, Any]:
    """An input comes back as from a file, and is none; other images are files."""
    scan = image((8, 9, 10), (1.23456789, 1.5, 0.7), np.int16, 900)
    with tempfile.TemporaryDirectory() as name:
        nibabel.save(scan, f"{name}/file.nii.gz")
        wanted = nibabel.load(f"{name}/file.nii.gz")
        inputs = native_images.Inputs(nibabel.save, nibabel.load)
        path = Path(name, "s01_0000.nii.gz")
        inputs.save(native_images.native(scan), path)
        kept, size = inputs.load(str(path)), path.stat().st_size
        inputs.save(native_images.native(scan), f"{name}/s01.nii.gz")
        other = Path(name, "s01.nii.gz").stat().st_size
        inputs.write()
        written = nibabel.load(path)
        found = {
            "kept": equal(kept, wanted) and kept.header.get_zooms() == wanted.header.get_zooms(),
            "type": str(kept.get_fdata().dtype),
            "size": size,
            "other": other,
            "written": equal(written, wanted) and inputs.load(path) is not kept,
        }
    return found


def cropped() -> bool:
    whole, box = image((12, 13, 14), (1.0, 1.0, 1.0), np.uint8, 90), [[2, 7], [0, 13], [5, 9]]
    part = nibabel.Nifti1Image(np.asarray(whole.dataobj)[2:7, 0:13, 5:9], whole.affine)
    ours = native_images.undo_crop(native_images.native(part), whole, box)
    return equal(ours, cropping.undo_crop(part, whole, box)) and ours.get_fdata().dtype == np.uint8


def components() -> dict[str, bool]:
    """Blobs of noise, of a few voxels, of equal size, and none."""
    noise = ndimage.gaussian_filter(RANDOM.normal(size=(40, 37, 33)), 1.4) > 0.1
    twins = np.zeros((20, 20, 20), bool)
    twins[12:15, 2:5, 2:5] = twins[2:5, 12:15, 2:5] = twins[2:5, 2:5, 12:15] = True
    found = {}
    for name, mask in (("noise", noise), ("twins", twins), ("none", np.zeros((5, 6, 7), bool))):
        for turned, data in (("", mask), (" turned", mask.transpose(2, 0, 1))):
            found[f"largest {name}{turned}"] = both(postprocessing.keep_largest_blob, blobs.largest, data)
            for interval in ([0, 1e10], [20, 1e10], [27, 1e10], [5, 60], [1e6, 1e10]):
                args = data, postprocessing.remove_small_blobs, blobs.without_small
                found[f"small {name}{turned} {interval}"] = both(args[1], args[2], args[0], interval)
    return found


def both(one: Callable[..., Any], other: Callable[..., Any], data: np.ndarray, *more: Any) -> bool:
    wanted, before = one(data.copy(), *more) > 0.5, data.copy()
    return bool(np.array_equal(other(data, *more) > 0.5, wanted) and np.array_equal(data, before))


def boxes() -> bool:
    """The box of nnU-Net's mask, whose holes are filled."""
    from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero

    for _ in range(60):
        data = np.zeros((2, *RANDOM.integers(4, 12, 3)), np.float32)
        for _ in range(int(RANDOM.integers(1, 5))):
            place = tuple(int(RANDOM.integers(0, size)) for size in data.shape)
            data[place[0], place[1] :, place[2] : place[2] + 3, place[3]] = 1.0
        cut, _, box = crop_to_nonzero(data.copy())
        if box_of(data) != [list(map(int, one)) for one in box] or not cut.size:
            return False
    return box_of(np.zeros((1, 3, 3, 3))) is None


if __name__ == "__main__":
    names = (resampled, planes, files, cropped, components, boxes)
    print(json.dumps({"lean": resampling.is_equal(), **{one.__name__: one() for one in names}}))
