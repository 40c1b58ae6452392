"""Separate what touches itself: edges with more than two faces, points with several fans of faces."""

from __future__ import annotations

import numpy as np

from .order import order_of
from .surface import half_edges

ROUNDS = 8
NUDGE = 0.02  # of the way to a point's neighbours, by which the two sides of a pinch are drawn apart


def unpinch(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same surface with each edge between two faces only, as long as it was closed.

    Faces that lie back to back cancel. Round an edge with four faces the two
    that bound the same wedge of the solid belong together; each group of faces
    round a point gets a point of its own. Where both ends of such an edge stay
    whole, because the wedges meet elsewhere, one pair gets a point in its middle.
    """
    for _ in range(ROUNDS):
        points, triangles, _, again = unpinch_once(points, triangles)
        if not len(again):
            break
    return points, triangles


def unpinch_once(
    points: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One round of :func:`unpinch`.

    Points and triangles, from which of ``points`` each came, and the points where another round is needed.
    """
    if not len(triangles):
        return points[:0], triangles, np.zeros(0, np.intp), np.zeros(0, np.intp)
    pinched = _pinched(triangles, len(points))
    near = np.asarray(pinched.take(triangles).any(axis=1))
    source, again = np.arange(len(points)), np.zeros(0, np.intp)
    if near.any():
        points, triangles, source, again = _renewed(points, triangles, pinched, near)
    used = np.zeros(len(points), bool)
    used[triangles] = True
    number = np.cumsum(used, dtype=triangles.dtype) - 1
    return points[used], number.take(triangles), source[used], number[again]


def _pinched(triangles: np.ndarray, count: int) -> np.ndarray:
    """Mark the points (``count``,) that are not in the middle of one fan of faces.

    They are the ends of edges that have not just two faces, one in each direction, the points where
    several fans meet, and those of two faces back to back.
    """
    starts, ends = half_edges(triangles)
    names = 2 * (np.minimum(starts, ends) * count + np.maximum(starts, ends)) + (starts > ends)
    order = order_of(names)
    names = names[order]
    first = np.flatnonzero(np.r_[True, names[1:] >> 1 != names[:-1] >> 1])
    plain = np.diff(np.r_[first, len(names)]) == 2
    one, other = first[plain], first[plain] + 1
    turned = names[one] + 1 == names[other]
    plain[plain] = turned
    one, other = order[one[turned]], order[other[turned]]
    pinched = np.zeros(count, bool)
    for side in (starts, ends):
        pinched[side[order[first[~plain]]]] = True
    many = np.bincount(starts, minlength=count)
    pinched |= many == 2
    # The next half-edge that leaves the same point, through the face on the other side.
    m = len(triangles)
    following = np.arange(3 * m)
    following[one], following[other] = (other + m) % (3 * m), (one + m) % (3 * m)
    begin = np.zeros(count, np.intp)
    begin[starts] = np.arange(3 * m)
    points = np.flatnonzero((many > 0) & ~pinched)
    begin = begin[points]
    here = following[begin]
    for steps in range(1, int(many.max()) + 1):
        round_again = here == begin
        pinched[points[round_again & (many[points] > steps)]] = True
        points, begin, here = points[~round_again], begin[~round_again], following[here[~round_again]]
    return pinched


def _renewed(
    points: np.ndarray, triangles: np.ndarray, pinched: np.ndarray, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points and triangles where the faces ``near`` the ``pinched`` points are without pinches.

    The triangles after the others; from which of ``points`` each point came; points that still are pinched.
    """
    used = np.zeros(len(points), bool)
    used[triangles[near]] = True
    ids = np.flatnonzero(used)
    number = np.empty(len(points), triangles.dtype)
    number[ids] = np.arange(len(ids))
    faces = _cancel(number[triangles[near]])
    if not len(faces):
        return points, triangles[~near], np.arange(len(points)), np.zeros(0, np.intp)
    one, other = _pairs(points[ids], faces)
    own, faces, source = _regroup(points[ids], faces, one, other, pinched[ids])
    crowded = _crowded(faces, one)
    again = faces[one[crowded] % len(faces), 0]
    if len(crowded):
        own, faces, more = _subdivide(own, faces, one[crowded], other[crowded])
        source = np.r_[source, source[more]]
    names = np.r_[ids, len(points) + np.arange(len(own) - len(ids))].astype(triangles.dtype)
    whole = np.concatenate([points, own[len(ids) :]])
    whole[ids] = own[: len(ids)]
    source = np.r_[np.arange(len(points)), ids[source[len(ids) :]]]
    return whole, np.concatenate([triangles[~near], names[faces]]), source, names[again]


def _regroup(
    points: np.ndarray, triangles: np.ndarray, one: np.ndarray, other: np.ndarray, pinched: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give each group of faces that hang together round a ``pinched`` point a point of its own.

    The first keeps the point; those of the others are appended to ``points``. Points, triangles, and from
    which point each came.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    m = len(triangles)
    # Half-edge e leaves corner e and ends at the corner of the next slot; its partner runs backwards.
    after = np.concatenate([np.arange(m, 3 * m), np.arange(m)])
    rows, columns = np.r_[one, after[one]], np.r_[after[other], other]
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(3 * m, 3 * m))
    count, group = connected_components(graph, directed=False)
    origin = np.empty(count, triangles.dtype)
    origin[group] = triangles.T.reshape(-1)  # the same for every corner of a group
    again = pinched[origin]
    again[np.unique(origin, return_index=True)[1]] = False
    name = origin.copy()
    name[again] = np.arange(len(points), len(points) + int(again.sum()))
    source = np.r_[np.arange(len(points)), origin[again]]
    several = np.zeros(len(source), bool)
    several[origin[again]] = several[name[again]] = True
    own = np.ascontiguousarray(name[group].reshape(3, m).T)
    return _nudge(points[source], own, several), own, source


def _crowded(triangles: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Which pairs (index into ``one``) share their two points with an earlier pair."""
    starts, ends = half_edges(triangles)
    names = np.minimum(starts, ends)[one] * (int(triangles.max()) + 1) + np.maximum(starts, ends)[one]
    order = order_of(names)
    again = np.r_[False, names[order][1:] == names[order][:-1]]
    return order[again]


def _subdivide(
    points: np.ndarray, triangles: np.ndarray, one: np.ndarray, other: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put a point into the edge of each pair and cut its two faces there, each face once at most.

    Points, triangles, and beside which point each of the new ones lies.
    """
    m = len(triangles)
    touched: set[int] = set()
    kept = np.ones(m, bool)
    added: list[tuple[int, int, int]] = []
    middles: list[np.ndarray] = []
    beside: list[int] = []
    for pair in zip(one.tolist(), other.tolist()):
        faces = {edge % m for edge in pair}
        if faces & touched or len(faces) < 2:
            continue
        touched |= faces
        middle = len(points) + len(middles)
        tips = []
        for edge in pair:
            face, corner = edge % m, edge // m
            a, b, c = (int(triangles[face, (corner + turn) % 3]) for turn in range(3))
            kept[face] = False
            added += [(a, middle, c), (middle, b, c)]
            tips.append(c)
        beside.append(a)
        here = (points[a] + points[b]) / 2.0
        middles.append(here + NUDGE * (points[tips].mean(axis=0) - here))
    if not middles:
        return points, triangles, np.zeros(0, np.intp)
    points = np.concatenate([points, np.array(middles)])
    triangles = np.concatenate([triangles[kept], np.array(added, triangles.dtype)])
    return points, triangles, np.array(beside, np.intp)


def _cancel(triangles: np.ndarray) -> np.ndarray:
    """``triangles`` without pairs that have the same corners in opposite order."""
    sorted_corners = np.sort(triangles, axis=1)
    parity = np.where(
        (triangles[:, 0] < triangles[:, 1]).astype(int)
        + (triangles[:, 1] < triangles[:, 2])
        + (triangles[:, 2] < triangles[:, 0])
        == 2,
        1,
        -1,
    )
    many = int(triangles.max()) + 1
    if many < 1 << 21:  # three corners in 63 bits
        names = sorted_corners.astype(np.int64)
        order = order_of((names[:, 2] * many + names[:, 1]) * many + names[:, 0])
    else:
        order = np.lexsort(sorted_corners.T)
    rows = sorted_corners[order]
    new = np.r_[True, np.any(rows[1:] != rows[:-1], axis=1)]
    group = np.cumsum(new) - 1
    net = np.bincount(group, parity[order])
    starts = np.flatnonzero(new)
    # Of each group keep |net| faces of the prevailing direction: sort them to the front first.
    prevailing = parity[order] * np.sign(net[group]) > 0
    rank = np.cumsum(prevailing) - 1
    base = rank[starts] - prevailing[starts] + 1
    keep = prevailing & (rank - base[group] < np.abs(net[group]))
    return triangles[np.sort(order[keep])]


def _pairs(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half-edges that belong together, as two arrays: each edge of ``one`` runs against that of ``other``."""
    starts, ends = half_edges(triangles)
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    names = low * (int(triangles.max()) + 1) + high
    order = order_of(2 * names + (starts > ends))
    new = np.r_[True, names[order][1:] != names[order][:-1]]
    first = np.flatnonzero(new)
    size = np.diff(np.r_[first, len(order)])
    simple = first[size == 2]
    crowded = np.repeat(size > 2, size)
    one, other = _wedges(points, triangles, order[crowded], np.repeat(np.arange(len(size)), size)[crowded])
    return np.r_[order[simple], one], np.r_[order[simple + 1], other]


def _wedges(
    points: np.ndarray, triangles: np.ndarray, edges: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pair the half-edges of every crowded edge by the wedges of the solid between their faces.

    ``edges`` are half-edges, those of one edge one after the other; ``group`` (not
    falling) names their edge. All edges whose faces run alike round them are done at once.
    """
    if not len(edges):
        return edges, edges
    starts, ends = half_edges(triangles)
    forward = starts[edges] < ends[edges]
    angles = _angles_round_edge(points, triangles, edges, group)
    # The normal of a face that runs along the axis points to growing angles, so the solid lies on the
    # other side: going round against the angle, the next backward face bounds the same wedge.
    around = np.lexsort((~forward, -angles, group))
    first = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    size = np.diff(np.r_[first, len(edges)])
    one, other = [edges[:0]], [edges[:0]]
    for many in np.unique(size).tolist():
        places = around[first[size == many][:, None] + np.arange(many)]
        runs, which = np.unique(forward[places], axis=0, return_inverse=True)
        for number, run in enumerate(runs.tolist()):
            alike = edges[places[which.reshape(-1) == number]]
            for a, b in _matched(run):
                one.append(alike[:, a])
                other.append(alike[:, b])
    return np.concatenate(one), np.concatenate(other)


def _angles_round_edge(
    points: np.ndarray, triangles: np.ndarray, edges: np.ndarray, group: np.ndarray
) -> np.ndarray:
    """The angle 0..2 pi of each half-edge's face round its edge, counted from the edge's first face."""
    m = len(triangles)
    starts, ends = half_edges(triangles)
    low = points[np.minimum(starts[edges], ends[edges])]
    axis = _unit(points[np.maximum(starts[edges], ends[edges])] - low)
    arms = points[triangles.T.reshape(-1)[(edges + 2 * m) % (3 * m)]] - low
    arms = arms - (arms * axis).sum(axis=1, keepdims=True) * axis
    first = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    u = _unit(arms[np.repeat(first, np.diff(np.r_[first, len(edges)]))])
    angles = np.arctan2((arms * np.cross(axis, u)).sum(axis=1), (arms * u).sum(axis=1)) % (2.0 * np.pi)
    return np.asarray(angles)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _matched(forward: list[bool]) -> list[tuple[int, int]]:
    """Places of forward and backward faces that close a wedge, going round twice like brackets."""
    stack: list[int] = []
    pairs: list[tuple[int, int]] = []
    for place in [*range(len(forward))] * 2:
        if forward[place] and place not in stack and not any(place == a for a, _ in pairs):
            stack.append(place)
        elif not forward[place] and stack and not any(place == b for _, b in pairs):
            pairs.append((stack.pop(), place))
    return pairs


def _nudge(points: np.ndarray, triangles: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """``points`` with the ``chosen`` ones drawn a little towards the middle of their neighbours."""
    starts, ends = half_edges(triangles)
    count = np.maximum(np.bincount(starts, minlength=len(points)), 1)
    sums = [np.bincount(starts, points[ends, axis], len(points)) for axis in range(3)]
    middle = np.stack(sums, axis=1) / count[:, None]
    return np.where(chosen[:, None], points + NUDGE * (middle - points), points)
