"""How legible, exact and fast the drawn faces are: the figures that the README states.

    python benchmarks/synthetic_faces.py              # 500 random faces; about 3 minutes on two cores
    python benchmarks/synthetic_faces.py --faces 50   # a quick look

Detection, the landmark error and the two expression nets' own reading are those of the shipped face bundle, which has
never seen a drawn face. The nets know seven expressions; contempt is drawn as well and left out of their agreement.
"""

import argparse
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from tqdm import tqdm

from emo_toolkit.face.analysis import EmbeddedAnalyser
from emo_toolkit.face.detection import FaceDetector
from emo_toolkit.schema import FaceCrop
from emo_toolkit.synthetic import FaceRenderer, sample_spec

LEFT_OUTER, RIGHT_OUTER = 36, 45  # iBUG-68: outer eye corners, whose distance is 300-W's inter-ocular distance


def main() -> None:
    """Draw, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=500, help="random faces of the ordinary factor")
    parser.add_argument("--seed", type=int, default=1_000_000, help="seed of the first one")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes for the speed")
    args = parser.parse_args()
    start = time.perf_counter()
    renderer = FaceRenderer()
    renderer.draw(sample_spec(args.seed))
    print(f"first picture after {time.perf_counter() - start:.1f} s (compiled before: less)")
    legible(renderer, args.faces, args.seed)
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB")
    fast(args.workers)


def legible(renderer: FaceRenderer, faces: int, seed: int) -> None:
    """Print what the bundle's own nets make of random faces."""
    detector, analyser = FaceDetector(), EmbeddedAnalyser()
    crops: list[FaceCrop] = []
    labels, errors = [], []
    for number in tqdm(range(faces), unit="face"):
        face = renderer.draw(sample_spec(seed + number))
        found = [crop for crop in detector.detect(face.image) if crop.status.usable]
        labels.append(face.truth.label)
        crops.append(found[0] if found else FaceCrop(status=detector.detect(face.image)[0].status))
        if found:
            span = np.linalg.norm(face.truth.landmarks[LEFT_OUTER] - face.truth.landmarks[RIGHT_OUTER])
            errors.append(np.linalg.norm(found[0].landmarks - face.truth.landmarks, axis=1) / span)
    print(f"faces found {np.mean([crop.status.usable for crop in crops]):.1%} of {faces}")
    print(f"landmarks: median error {np.median(errors):.2%} of the inter-ocular distance")
    readings = analyser.expressions(crops)
    truth = np.array(labels)
    known = np.array([crop.status.usable for crop in crops]) & np.isin(truth, list(readings[0]))
    read = np.array([max(scores, key=scores.__getitem__) for scores in readings])
    print(f"the nets agree with the label on {np.mean(read[known] == truth[known]):.1%} of {known.sum()}")
    for label in readings[0]:
        of_label = known & (truth == label)
        print(f"  {label:10s} {np.mean(read[of_label] == label):.2f}  n = {of_label.sum()}")


def fast(workers: int) -> None:
    """Print pictures a second with every process busy."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(_draw, [range(2)] * workers))  # loads and compiles
        start = time.perf_counter()
        drawn = sum(pool.map(_draw, [range(k * 40, k * 40 + 40) for k in range(workers)]))
    seconds = time.perf_counter() - start
    print(f"{drawn / seconds:.1f} pictures/s at 224 x 224 in {workers} processes")


_RENDERER: list[FaceRenderer] = []  # one a process


def _draw(numbers: range) -> int:
    if not _RENDERER:
        _RENDERER.append(FaceRenderer())
    for number in numbers:
        _RENDERER[0].draw(sample_spec(2_000_000 + number))
    return len(numbers)


if __name__ == "__main__":
    main()
