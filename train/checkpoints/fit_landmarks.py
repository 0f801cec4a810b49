"""Finds the 68 vertices of the drawn head that lie where the mesh detector sees the iBUG-68 landmarks.

    python train/checkpoints/fit_landmarks.py --faces 240 > landmarks.txt

Random faces with their expressions are drawn and read by the detector; for each landmark the vertex (or the mirrored
pair of vertices) that stays nearest to it over all of them is kept. The result is emo_toolkit/synthetic/landmarks.py.
"""

import argparse
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from emo_toolkit.face.detection import FaceDetector
from emo_toolkit.synthetic.renderer import FaceRenderer
from emo_toolkit.synthetic.sampler import sample_spec

# Each landmark's partner on the other side of the face (iBUG-68); the middle ones are their own.
MIRROR = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1)]
MIRROR += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
MIRROR += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=240, help="faces to draw")
    parser.add_argument("--seed", type=int, default=5_000_000, help="seed of the first one")
    args = parser.parse_args()
    vertices = fit(args.faces, args.seed)
    print(np.array2string(vertices, separator=", ", max_line_width=110))


def fit(faces: int, seed: int) -> np.ndarray:
    """(68,) vertices of the subdivided skin."""
    renderer, detector = FaceRenderer(), FaceDetector(threads=1)
    rest = renderer.rest
    partner = _mirrored(rest)
    front = np.flatnonzero((rest[:, 2] > 0.2) & (rest[:, 1] > 6.0))
    total = np.zeros((68, len(rest)))
    for index in tqdm(range(faces)):
        spec = sample_spec(seed + index)
        spec = replace(spec, identity=replace(spec.identity, glasses=None))
        spec = replace(spec, scene=replace(spec.scene, yaw=spec.scene.yaw * 0.5, pitch=spec.scene.pitch * 0.5))
        face = renderer.draw(spec)
        seen = [crop for crop in detector.detect(face.image) if crop.status.usable]
        if not seen:
            continue
        marks = seen[0].landmarks
        unit = np.linalg.norm(marks[36:42].mean(0) - marks[42:48].mean(0))
        places = renderer.project(spec)[front]
        total[:, front] += np.linalg.norm(places[None] - marks[:, None], axis=-1) / unit
    total[:, np.setdiff1d(np.arange(len(rest)), front)] = np.inf
    both = total + total[MIRROR][:, partner]  # a vertex is as good as its mirror image is for the mirrored landmark
    middle = np.flatnonzero(partner == np.arange(len(rest)))
    found = both.argmin(1)
    for mark, other in enumerate(MIRROR):
        if mark == other:
            found[mark] = middle[total[mark, middle].argmin()]
        elif mark < other:
            found[other] = partner[found[mark]]
    return found


def _mirrored(rest: np.ndarray) -> np.ndarray:
    """(n,) the vertex at the mirrored place."""
    flipped = rest * (-1, 1, 1)
    order = [np.argmin(((rest - point) ** 2).sum(1)) for point in flipped]
    return np.array(order)


if __name__ == "__main__":
    main()
