"""A label map of 41 structures at 366x303x90 in 1 mm voxels, made up for benchmarks."""

from __future__ import annotations

import numpy as np

SHAPE = (90, 303, 366)  # k, j, i
COUNT = 41


def label_map(seed: int = 1) -> np.ndarray:
    """uint8 (k, j, i): 27 bumpy bodies, six slabs and eight curved tubes; most of them touch."""
    random = np.random.default_rng(seed)
    k, j, i = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SHAPE), indexing="ij", sparse=True)
    labels = np.zeros(SHAPE, np.uint8)
    value = 0
    for size in np.geomspace(78.0, 9.0, 27):  # radius in mm; small ones last, so that none is buried
        value += 1
        radii = size * random.uniform(0.8, 1.25, 3) * (0.55, 1.0, 1.0)
        middle = np.array(SHAPE) / 2 + random.uniform(-1, 1, 3) * (38, 100, 130)
        far = sum(((axis - m) / r) ** 2 for axis, m, r in zip((k, j, i), middle, radii))
        bumps = 0.25 * np.sin(i / 9 + value) * np.sin(j / 11) * np.sin(k / 7)
        labels[far + bumps < 1.0] = value
    for _ in range(6):  # like muscles and cartilage: 7 mm thick, cut off by the volume
        value += 1
        bow = 18 * np.sin(i / 60 + value) + 130 * random.uniform(-1, 1) + SHAPE[1] / 2
        start = random.uniform(20, 200)
        labels[(abs(j - bow) < 3.5) & (i > start) & (i < start + 120) & (k > random.uniform(0, 30))] = value
    for _ in range(8):  # like ribs and vessels: 8 to 14 mm across, slanted
        value += 1
        slope, radius = random.uniform(0.2, 0.5), random.uniform(4, 7)
        path_k, path_j = slope * (i - 60) - 10 + 40 * random.uniform(0, 1), 60 * np.sin(i / 70 + value)
        labels[(k - path_k) ** 2 + (j - SHAPE[1] / 2 - path_j) ** 2 + 0 * i < radius**2] = value
    return labels


if __name__ == "__main__":
    made = label_map()
    print(np.bincount(made.reshape(-1), minlength=COUNT + 1))
