"""A first, cheap coarsening of the net, so that what follows has a quarter of the work.

Points of one 2x2x2 block of the lattice that are linked by an edge inside it
become one point at their mean. That is a contraction of edges: it maps closed
surfaces to closed surfaces, and sheets that only lie near each other (a rib's
two sides) stay apart because no edge links them.
"""

from __future__ import annotations

import numpy as np

from .net import CHUNK, Net


def contract(net: Net, keep: np.ndarray, spacing: tuple[float, float, float]) -> tuple[Net, np.ndarray]:
    """``net`` with blocks of points merged, except the points marked in ``keep`` (n,); what each became (n,).

    An axis whose voxels are much longer than the shortest ones is coarse
    enough already and is left alone. Quads may lose corners: two equal ones.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    halve = [1 if edge < 1.5 * min(spacing) else 0 for edge in spacing]
    block = net.points.astype(np.int32) >> np.array(halve, np.int32)
    size = np.array([block[:, axis].max() for axis in range(3)], np.int64) + 1
    names = block[:, 0] + size[0] * (block[:, 1] + size[1] * block[:, 2].astype(np.int64))
    if int(size.prod()) < 2**31 and len(names) < 2**31:
        names = names.astype(np.int32)
    names[keep] = -1 - np.flatnonzero(keep)
    turned = [1, 2, 3, 0]
    links = [np.zeros((2, 0), np.int32)]
    for start in range(0, len(net.quads), CHUNK):
        corners = np.ascontiguousarray(net.quads[start : start + CHUNK].T)
        named, after = names.take(corners), corners[turned]
        inside = ((named == named[turned]) & (corners < after)).reshape(-1)
        links.append(np.stack([corners.reshape(-1).compress(inside), after.reshape(-1).compress(inside)]))
    starts, ends = np.concatenate(links, axis=1)
    del links
    graph = coo_matrix((np.ones(len(starts), np.int8), (starts, ends)), shape=(len(names),) * 2)
    count, group = connected_components(graph, directed=False)
    weight = np.bincount(group, minlength=count)
    points = np.stack([np.bincount(group, net.points[:, axis], count) / weight for axis in range(3)], axis=1)
    quads = group.astype(np.int32).take(net.quads)
    # A quad with three corners left is a triangle; with two, or with opposite corners equal, nothing.
    one, two, three, four = quads.T
    lost = sum((a == b).view(np.uint8) for a, b in ((one, two), (two, three), (three, four), (four, one)))
    alive = (one != three) & (two != four) & (lost < 2)
    return Net(
        points.astype(np.float32), quads.compress(alive, axis=0), net.sides.compress(alive, axis=0)
    ), group
