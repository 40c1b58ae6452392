"""Specks and holes: pieces too small to be anatomy, left out of surfaces.

Noise at a threshold gives a large scan tens of thousands of pieces of a few
voxels. Each costs triangles and hides what matters. Pieces are connected by
faces; a hole is a small piece of the outside. A piece takes the label that most
of its neighbours have. Only the copy that surfaces are made of is changed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .net import THREADS

SLAB_VOXELS = 1_000_000  # looked at together: small enough for the processor's cache
OF_STRUCTURE = 0.001  # a piece larger than this part of its structure is never a speck
ALL_OF_STRUCTURE = 0.01  # when specks are more than this of a structure, they are its nature and stay
MOST_GAINED = 0.02  # of its own voxels, that a structure may gain by specks and holes in it


@dataclass(frozen=True, eq=False)
class Specks:
    """``pieces[v]`` specks with ``voxels[v]`` voxels in all were taken from label ``v``; 0 counts holes."""

    pieces: np.ndarray
    voxels: np.ndarray


def without_specks(labels: np.ndarray, counts: np.ndarray, smallest: float) -> Specks:
    """Fill every piece of less than ``smallest`` voxels in ``labels`` (k, j, i), in place.

    ``labels`` has a border of zeros; ``counts[v]`` voxels have label ``v``, which
    is brought up to date. A structure that consists of little more than such pieces keeps them.
    """
    limit = np.minimum(smallest, OF_STRUCTURE * counts)
    limit[0] = smallest
    found = Specks(np.zeros(len(counts), np.int64), np.zeros(len(counts), np.int64))
    if smallest <= 1.0:
        return found
    places, piece, label, size = _small_pieces(labels, limit)
    if not len(label):
        return found
    lost = np.bincount(label, size, len(counts))
    keep = lost > ALL_OF_STRUCTURE * counts
    keep[0] = False
    if keep.any():
        drop = ~keep[label]
        chosen = drop[piece]
        number = np.cumsum(drop) - 1
        places, piece, label, size = places[chosen], number[piece[chosen]], label[drop], size[drop]
    if not len(label):
        return found
    flat = labels.reshape(-1)
    value = _surrounding(flat, labels.shape, places, piece, len(label))
    gain = _affordable(value, size, MOST_GAINED * counts)
    chosen = gain[piece]
    places, piece, label, size = places[chosen], piece[chosen], label[gain], size[gain]
    flat[places] = value[piece]
    np.add.at(found.pieces, label, 1)
    found.voxels[:] = np.bincount(label, size, len(counts))
    counts += np.bincount(flat[places], minlength=len(counts)) - found.voxels
    return found


def _small_pieces(
    labels: np.ndarray, limit: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Voxels (flat index) of all pieces below ``limit``, their pieces, and each piece's label and size.

    A slab of slices at a time; pieces that continue in the next slab are put together afterwards.
    """
    area = labels.shape[1] * labels.shape[2]
    thick = max(1, SLAB_VOXELS // area)
    places, pieces, kinds, sizes = [], [], [], []
    links: list[np.ndarray] = []  # pairs of pieces of two slabs that are one
    large: list[np.ndarray] = []  # pieces that go on in a large one
    before: np.ndarray | None = None
    count = 0
    starts = range(0, labels.shape[0], thick)
    slabs = [labels[start : start + thick] for start in starts]
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda slab: _pieces_of_slab(slab, limit), slabs)
        for start, slab, (first, last, where, which, kind, size) in zip(starts, slabs, found):
            for numbers in (first, last, which):
                numbers[numbers >= 0] += count
            if before is not None:
                same = labels[start - 1].reshape(-1) == slab[0].reshape(-1)
                one, other = before[same], first[same]
                links.append(np.stack([one, other])[:, (one >= 0) & (other >= 0)])
                large += [one[(one >= 0) & (other < 0)], other[(other >= 0) & (one < 0)]]
            places.append(where + start * area)
            pieces.append(which)
            kinds.append(kind)
            sizes.append(size)
            count += len(kind)
            before = last
    place, piece = np.concatenate(places), np.concatenate(pieces)
    kind, size = np.concatenate(kinds), np.concatenate(sizes)
    joined = np.concatenate(links, axis=1) if links else np.zeros((2, 0), np.int64)
    total, group = _connected(joined[0], joined[1], count)
    whole = np.bincount(group, size, total)
    bad = np.zeros(total, bool)
    bad[group[np.unique(np.concatenate(large))] if large else []] = True
    small = ~bad
    label = np.zeros(total, kind.dtype)
    label[group] = kind
    small &= whole < limit[label]
    number = np.cumsum(small) - 1
    chosen = small[group[piece]]
    return place[chosen], number[group[piece[chosen]]], label[small].astype(np.intp), whole[small]


def _pieces_of_slab(slab: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, ...]:
    """The small pieces of one slab, numbered from 0.

    For the first and the last slice the number of each voxel's piece, -1 in large ones; the
    voxels of small pieces and their numbers; label and size of each small piece.
    """
    flat = slab.reshape(-1)
    starts = np.ones(len(flat), bool)
    np.not_equal(flat[1:], flat[:-1], out=starts[1:])
    begin = np.flatnonzero(starts)
    run = np.cumsum(starts, dtype=np.int32)
    run -= 1
    row, area = slab.shape[2], slab.shape[1] * slab.shape[2]
    ones, others = [], []
    for step in (row, area):  # the first row of a slice meets the last of the one before: both are outside
        touch = flat[step:] == flat[:-step]
        touch &= starts[step:] | starts[:-step]
        ones.append(run[step:].compress(touch))
        others.append(run[:-step].compress(touch))
    total, group = _connected(np.concatenate(ones), np.concatenate(others), len(begin))
    length = np.diff(np.append(begin, len(flat)))
    size = np.bincount(group, length, total)
    kind = np.zeros(total, slab.dtype)
    kind[group] = flat[begin]
    small = size < limit[kind]
    number = np.full(total, -1, np.int64)
    number[small] = np.arange(int(small.sum()))
    of_run = number[group]
    ours = np.flatnonzero(of_run >= 0)
    many = length[ours]
    where = np.repeat(begin[ours] - (np.cumsum(many) - many), many) + np.arange(int(many.sum()))
    which = np.repeat(of_run[ours], many)
    return of_run[run[:area]], of_run[run[-area:]], where, which, kind[small], size[small]


def _affordable(value: np.ndarray, size: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Which pieces their new label ``value`` takes: the small ones first, ``most[value]`` voxels in all."""
    order = np.lexsort((size, value))
    total = np.cumsum(size[order])
    first = np.searchsorted(value[order], value[order])
    gained = total - np.where(first > 0, total[first - 1], 0)
    chosen = np.zeros(len(value), bool)
    chosen[order] = (gained <= most[value[order]]) | (value[order] == 0)
    return chosen


def _connected(one: np.ndarray, other: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """How many groups ``count`` things form that the pairs ``one`` and ``other`` link, and their groups."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(one), np.int8), (one, other)), shape=(count, count))
    total, group = connected_components(graph, directed=False)
    return int(total), group


def _surrounding(
    flat: np.ndarray, shape: tuple[int, ...], places: np.ndarray, piece: np.ndarray, count: int
) -> np.ndarray:
    """For each of ``count`` pieces the label that most of the voxels round it have.

    Neighbours that are specks themselves count once it is known what they become.
    """
    order = np.argsort(places)
    known, owner = places[order], piece[order]
    steps = (1, shape[2], shape[1] * shape[2])
    near = np.concatenate([places + sign * step for step in steps for sign in (1, -1)])
    mine = np.tile(piece, 6)
    at = np.minimum(np.searchsorted(known, near), len(known) - 1)
    theirs = np.where(known[at] == near, owner[at], -1)
    outer = theirs != mine
    near, mine, theirs = near[outer], mine[outer], theirs[outer]
    value = np.full(count, -1, np.int64)
    kinds = int(flat.max()) + 1
    while True:
        label = np.where(theirs < 0, flat[near], value[theirs])
        useful = (label >= 0) & (value[mine] < 0)
        if not useful.any():
            break
        names, votes = np.unique(mine[useful].astype(np.int64) * kinds + label[useful], return_counts=True)
        asked, answer = np.divmod(names, kinds)
        ranked = np.lexsort((-answer, votes))  # the most votes last; of equals the lowest label
        new = np.full(count, -1, np.int64)
        new[asked[ranked]] = answer[ranked]
        value = np.where(value < 0, new, value)
    return value.astype(flat.dtype)
