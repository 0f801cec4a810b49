"""One level of Catmull-Clark subdivision as a sparse matrix: quads -> weights over their vertices, finer triangles.

The same matrix serves every shape of the mesh; uv coordinates are split in the same order, without smoothing.
"""

import numpy as np


def edges_of(quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges (e, 2) of quads (q, 4), and for each side k (corner k to k + 1) of a quad the edge that it is (q, 4)."""
    sides = np.sort(np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    edges, places = np.unique(sides, axis=0, return_inverse=True)
    return edges, places.reshape(quads.shape)


def split(quads: np.ndarray, sides: np.ndarray, points: int, edges: int) -> np.ndarray:
    """Each quad as eight triangles (8 q, 3) over [points, one per edge, one per quad]."""
    centre = points + edges + np.repeat(np.arange(len(quads))[:, None], 4, axis=1)
    after = points + sides
    before = np.roll(after, 1, axis=1)
    return np.stack([quads, after, centre, quads, centre, before], axis=-1).reshape(-1, 3)


def catmull_clark(quads: np.ndarray, points: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One level over quads that use all of `points` vertices, as rows of weights (CSR) over them; and the triangles.

    Inside: the face point is the mean F of its corners, the edge point the mean of its ends and its two face points,
    the vertex moves to (F + 2 R + (n - 3) P) / n. On the border: midpoints, and 1/8, 3/4, 1/8 along it (Catmull and
    Clark 1978; border rule of DeRose et al. 1998).
    """
    edges, sides = edges_of(quads)
    count = np.bincount(sides.ravel(), minlength=len(edges))  # faces on an edge
    border = count[sides] != 2  # (q, 4)
    valence = np.bincount(quads.ravel(), minlength=points)
    rim = np.bincount(edges[count != 2].ravel(), minlength=points)  # border edges at a vertex
    inner, crease = rim == 0, rim == 2
    corners = np.broadcast_to(quads[:, None], (len(quads), 4, 4))  # of the quad that a corner or a side belongs to
    ends, rows = edges[:, ::-1], np.arange(points)
    n, both = valence[edges], (count != 2)[:, None]
    spoke = np.where(inner[edges], 1 / n**2, np.where(both & crease[edges], 1 / 8, 0))
    entries = [
        (rows, rows, np.where(inner, (valence - 2) / valence, np.where(crease, 3 / 4, 1))),
        (edges, ends, spoke),  # from a vertex to the other end of each edge
        (quads[..., None], corners, np.where(inner, 1 / valence**2 / 4, 0)[quads][..., None]),
        (points + np.arange(len(edges))[:, None], edges, np.where(count == 2, 1 / 4, 1 / 2)[:, None]),
        (points + sides[..., None], corners, np.where(border, 0, 1 / 16)[..., None]),
        (points + len(edges) + np.arange(len(quads))[:, None], quads, np.full((1, 4), 1 / 4)),
    ]
    row, column, weight = (np.concatenate(a) for a in zip(*(flat(*entry) for entry in entries), strict=True))
    keys, places = np.unique(row * points + column, return_inverse=True)
    summed = np.bincount(places, weight)
    keys, summed = keys[summed > 0], summed[summed > 0]
    starts = np.searchsorted(keys // points, np.arange(points + len(edges) + len(quads) + 1))
    matrix = {"starts": starts.astype(np.uint32), "columns": (keys % points).astype(np.uint16)}
    return matrix | {"weights": summed.astype(np.float32)}, split(quads, sides, points, len(edges))


def flat(*arrays: np.ndarray) -> list[np.ndarray]:
    return [array.ravel() for array in np.broadcast_arrays(*arrays)]


def subdivide_uv(quads: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uv (m, 2) with edge and face midpoints, and its triangles in the order of `catmull_clark`."""
    edges, sides = edges_of(quads)
    finer = np.concatenate([uv, uv[edges].mean(1), uv[quads].mean(1)])
    return finer, split(quads, sides, len(uv), len(edges))
