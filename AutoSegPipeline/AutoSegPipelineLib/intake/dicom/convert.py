"""A DICOM stack as one NIfTI file, by dcm2niix, checked against what the headers say.

Where the slices are tilted, uneven or missing, without dcm2niix, and where its
result lies elsewhere than the headers say, GDCM (in SimpleITK) decodes the
pixels and :mod:`.regular_grid` puts them on a grid, plane by plane.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import Refused
from ...core.progress import Check
from ...formats.geometry import corners, length
from ...formats.header import STATED, Header
from ...formats.volume_file import read_volume_file
from ..durable_copy import link_or_copy
from ..staged_products import StagedProducts
from .group import series_name
from .planes import Planes
from .regular_grid import RegularGrid, header_affine
from .stack import TILT_DEGREES, Stack
from .volume_writer import write_planes

TIMEOUT_SECONDS = 1800.0
UNCOMPRESSED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "",
)


@dataclass
class Converted:
    """The file, who made it, and what a reader of the result should know."""

    path: str
    converter: str
    warnings: list[dict[str, str]] = field(default_factory=list)
    log: str = ""


def dcm2niix_path() -> str | None:
    """The converter's program, from its package or the PATH; ``None`` where there is none."""
    try:
        import dcm2niix
    except ImportError:
        return shutil.which("dcm2niix")
    for path in (str(dcm2niix.bin) + ".exe", str(dcm2niix.bin)):
        if os.path.isfile(path):
            return path
    return shutil.which("dcm2niix")


def convert(stack: Stack, staging: StagedProducts, check: Check, program: str | None = None) -> Converted:
    """Convert ``stack``; ``program`` is :func:`dcm2niix_path`'s answer or ``None`` to do without.

    Raises ``dicom.compressed`` and ``dicom.conversion_failed``.
    """
    warnings = _warnings(stack)
    if not stack.convertible:
        # Straightening by dcm2niix depends on a vendor's sign of the tilt, and its evening
        # out blurs every slice; the positions in the headers leave no such doubt. Rounded positions
        # and slices in enhanced objects of several files are read here alone.
        path = _convert_here(stack, staging, check, "")
        return Converted(path, "gdcm", warnings, "Placed slice by slice, as the DICOM headers say.")
    words = "dcm2niix is not installed."
    if program is not None:
        product, words = _run(program, stack, staging, check)
        if product is not None:
            return Converted(product, "dcm2niix", warnings, words)
        words += "\nIts result did not fit the DICOM headers; the slices were placed by the headers instead."
    return Converted(_convert_here(stack, staging, check, words), "gdcm", warnings, words)


def _warnings(stack: Stack) -> list[dict[str, str]]:
    name, found = series_name(stack.first), []
    if stack.missing:
        lacks = "1 slice; it was" if stack.missing == 1 else f"{stack.missing} slices; they were"
        text = f"{name} lacks {lacks} interpolated from the neighbours."
        found.append({"code": "dicom.missing_slices", "message": text})
    if stack.uneven:
        found.append({"code": "dicom.uneven_slices", "message": f"{name}: {_uneven(stack)}"})
    if stack.tilt_degrees > TILT_DEGREES:
        text = f"{name} has a gantry tilt of {stack.tilt_degrees:.1f} degrees; the volume was straightened."
        found.append({"code": "dicom.gantry_tilt", "message": text})
    if stack.count > 1:
        text = f"{name} holds {stack.count} stacks; this is number {stack.index + 1}."
        found.append({"code": "dicom.several_stacks", "message": text})
    return found + stack.notes


def _uneven(stack: Stack) -> str:
    """What lies where, and what became of it."""
    text = "the slices are not evenly spaced"
    if len(stack.distances) > 1:
        several = [f"{distance:g}" for distance in stack.distances]
        text = f"the slices are {', '.join(several[:-1])} and {several[-1]} mm apart"
    text += f"; they were interpolated to {stack.step:.3g} mm."
    if stack.overlapping:
        text += f" {len(stack.overlapping)} that lie over finer ones were left out."
    return text


def _run(program: str, stack: Stack, staging: StagedProducts, check: Check) -> tuple[str | None, str]:
    """The path of a result that fits the headers (else ``None``), and the converter's words."""
    source, target = staging.folder("dicom"), staging.folder()
    for number, instance in enumerate(stack.files):
        name = os.path.basename(instance.label)
        link_or_copy(instance.path, os.path.join(source, _linked_name(number)), check, name)
    # -g i: no defaults file of the user; -x i: neither crop nor rotate; -m y: it is one stack already.
    command = [
        program, "-g", "i", "-b", "n", "-z", "n", "-x", "i", "-m", "y", "-d", "0", "-w", "1", "-f", "scan",
        "-o", target, source,
    ]  # fmt: skip
    words = _listen(command, os.path.join(target, "converter.log"), check)
    shutil.rmtree(source)
    products = sorted(name for name in os.listdir(target) if name.endswith(".nii"))
    chosen = _choose(stack, target, products)
    for name in products:
        if name != chosen:
            os.unlink(os.path.join(target, name))
    if chosen is None:
        shutil.rmtree(target)
        return None, words
    path = os.path.join(target, "scan.nii")
    os.replace(os.path.join(target, chosen), path)
    return path, words


def _listen(command: list[str], log: str, check: Check) -> str:
    """Run to the end; the words are what it printed. Ended on cancel and after the time limit."""
    flags = int(getattr(subprocess, "CREATE_NO_WINDOW", 0))  # Windows: no console flashes up
    limit = time.monotonic() + TIMEOUT_SECONDS
    with open(log, "wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, creationflags=flags
        )
        try:
            while process.poll() is None:
                check()
                if time.monotonic() > limit:
                    break
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    with open(log, "rb") as stream:
        words = stream.read(64 * 1024).decode("utf-8", "replace")
    os.unlink(log)
    # Its words go to the log of the case; the folders' names say nothing there.
    return (
        words.replace(command[-1], "").replace(command[-2] + os.sep, "") + f"exit code {process.returncode}"
    )


def _linked_name(number: int) -> str:
    return f"{number:06d}.dcm"


def _given_names(words: str, stack: Stack, ours: list[str]) -> str:
    """A converter's words with the given name of each slice in place of ``ours`` (in stack order)."""
    names = {name: os.path.basename(one.label) for name, one in zip(ours, stack.instances)}
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(pattern, lambda found: names[found[0]], words)


def _choose(stack: Stack, folder: str, products: list[str]) -> str | None:
    """The one product that lies where the headers say; ``None`` where none or several were made."""
    if len(products) != 1:
        return None
    try:
        header = read_volume_file(os.path.join(folder, products[0]), "nifti").header
    except Refused:
        return None
    return products[0] if fits_headers(stack, header) else None


def fits_headers(stack: Stack, header: Header) -> bool:
    """Whether a converted volume has the corners that the DICOM headers give it (within a quarter voxel)."""
    if header.orientation != STATED or header.affine is None or header.extra != 1:
        return False
    first = stack.first
    if sorted(header.shape[:2]) != sorted((first.rows, first.columns)):
        return False
    truth = corners(header_affine(stack), (first.columns, first.rows, len(stack.positions)))
    given = corners(header.affine, header.shape)
    limit = 0.25 * min(header.spacing)
    if header.shape[2] != len(stack.positions):
        return False
    return all(min(length([a - b for a, b in zip(p, q)]) for q in given) <= limit for p in truth)


def _convert_here(stack: Stack, staging: StagedProducts, check: Check, words: str) -> str:
    name = series_name(stack.first)
    path = os.path.join(staging.folder(), "scan.nii")
    try:
        grid, frames = RegularGrid(stack), Planes(stack)
        write_planes(path, grid.shape, grid.affine, lambda: grid.planes(frames, check))
    except RuntimeError as error:
        last = str(error).strip().splitlines()[-1] if str(error).strip() else "no reason given"
        last = _given_names(
            last.replace(os.sep, "/"), stack, [Path(one.path).as_posix() for one in stack.instances]
        )
        if stack.first.syntax not in UNCOMPRESSED:
            raise Refused(
                "dicom.compressed", f"{name} is compressed ({stack.first.syntax}): {last}."
            ) from error
        words = _given_names(words, stack, [_linked_name(n) for n in range(len(stack.instances))])
        raise Refused(
            "dicom.conversion_failed", f"{name} cannot be converted: {last} {words[-1000:]}"
        ) from error
    return path
