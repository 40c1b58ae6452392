"""Prints what :mod:`warm_totalsegmentator` measured: a table of all sides, and how each worker compares."""

from __future__ import annotations

import json
import os
import statistics
from typing import Any

OLDER = "older"  # torch, as another checkout computes with it
WORKERS = ("torch", "openvino", "openvino-bf16")
# Times as many cases an hour as processes.
AIMS = {("tiny", "fastest"): 20, ("tiny", "fast"): 7, ("real", "fastest"): 14, ("real", "fast"): 6}


def load() -> str:
    """How busy the machine is besides us."""
    return f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"


def report(networks: str, quality: str, found: dict[str, dict[str, Any]]) -> None:
    """The figures of one quality, of every side."""
    print(f"\n{networks} networks, {quality}; {load()}")
    print(f"{'':10} {'s/case':>8} {'median':>8} {'cases/h':>9} {'CPU s/case':>11} {'peak MB':>8}")
    means = {}
    for side, one in found.items():
        means[side], cpu = statistics.mean(one["seconds"]), one["cpu"] / len(one["seconds"])
        print(
            f"{side:10} {means[side]:8.2f} {statistics.median(one['seconds']):8.2f} "
            f"{3600 / means[side]:9.0f} {cpu:11.2f} {one['peak_mb']:8.0f}"
        )
    for side in (OLDER, *WORKERS):
        if side in found:
            _worker(side, found, means, AIMS.get((networks, quality)))
    print(json.dumps({"networks": networks, "quality": quality, **found}), flush=True)


def _worker(side: str, found: dict[str, dict[str, Any]], means: dict[str, float], aim: int | None) -> None:
    ours = found[side]
    cases = len(ours["seconds"])
    ratios = [f"{means[other] / means[side]:.2f} times {other}" for other in found if other != side]
    print(f"warm with {side}: {', '.join(ratios) or 'nothing to compare with'}", end="")
    print(f" (aim: {aim} times process)" if aim else "")
    network = ours["parts"]["network"] / cases
    outside = means[side] - network
    print(f"    network {network:.2f} s, all else {outside:.2f} s ({outside / network:.0%} of the network's)")
    print("    " + ", ".join(f"{what} {seconds / cases:.3f}" for what, seconds in ours["parts"].items()))
    print(
        f"    the first case, with start, loading and, for openvino, conversion and comparison: "
        f"{ours['first']:.1f} s"
    )
    if "alike" in ours:
        alike = ours["alike"]
        print(
            f"    labels the same in {alike['same']} of {alike['of']} cases, in {alike['equal']:.4%} of the "
            f"voxels of the worst; least Dice of {alike['structures']} structures {alike['dice']:.5f}"
        )
    if "shape" in ours:
        print(
            f"    {ours['shape']['structures']:.0f} structures, {ours['shape']['faces']:.0f} faces between ",
            end="",
        )
        print("unlike voxels for every 1000 voxels")
    if side not in (OLDER, "torch"):
        print(f"    {json.dumps(ours['networks'])}")
