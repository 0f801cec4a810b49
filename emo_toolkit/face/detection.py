"""Frames -> FaceCrop: BlazeFace finds, Face Mesh confirms and measures, and each person is followed over the frames.

Every crop has one geometry: upright (level eyes), square, 1.25 x the larger side of the mesh, 224 px, RGB.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..errors import EmoError
from ..schema import FaceCrop, FaceStatus
from .geometry import MESH_EYES, MESH_TO_IBUG, apply, invert, iou, keep_best, square_transform, warp
from .sessions import FaceNet

CROP_SIZE = 224  # px
CROP_SCALE = 1.25  # side of the crop / larger side of the mesh
FINDER_SIZE, MESH_SIZE = 256, 192  # px, inputs of the two nets
MESH_SCALE = 1.5  # side of the mesh net's input / larger side of the face
VIEWS = (1.0, 1.5, 2.0)  # searched square / longer side of the picture; the next one only if nothing was found
FILLS = 0.4  # the wider views only serve faces at least this large beside the picture's longer side
MIN_SCORE, MIN_PRESENCE = 0.5, 0.5
MIN_SIDE = 20.0  # px
MAX_OUTSIDE = 0.1  # share of the mesh that may leave the picture before the face counts as cut off
MAX_STEP, MAX_GROWTH = 1.5, 2.0  # how far (in face sides) and by what factor a face may change between two sightings
GIVEN_OVERLAP = 0.2  # a detection belongs to a given box from this IoU on


@dataclass(frozen=True)
class _Face:
    """A candidate after the mesh: (468, 2) points in source pixels, their box, and what to think of it."""

    mesh: np.ndarray
    box: np.ndarray
    score: float
    status: FaceStatus

    @property
    def area(self) -> float:
        return float((self.box[2:] - self.box[:2]).prod())

    @property
    def side(self) -> float:
        return float((self.box[2:] - self.box[:2]).max())

    @property
    def centre(self) -> np.ndarray:
        return (self.box[:2] + self.box[2:]) / 2


class FaceDetector:
    """Finds faces, and follows them over the frames of a clip.

    Args:
        min_presence: how sure the mesh net must be, 0..1; below, the status is `LOW_SCORE`.
        min_side: smallest usable face in source pixels; below, the status is `TOO_SMALL`.
        threads: threads of ONNX Runtime; 0 means every core.
    """

    def __init__(self, *, min_presence: float = MIN_PRESENCE, min_side: float = MIN_SIDE, threads: int = 0) -> None:
        self.min_presence, self.min_side = min_presence, min_side
        self._finder = FaceNet("blazeface", threads=threads)
        self._mesh = FaceNet("facemesh", threads=threads)

    def detect(self, frame: Image.Image) -> list[FaceCrop]:
        """The usable faces of one picture, largest first; `track` is their place in the list."""
        return [crops[0] for crops in self.faces([frame])]

    def faces(self, frames: Sequence[Image.Image]) -> list[list[FaceCrop]]:
        """Every person of a clip, largest (sum of areas) first: one list per person with one FaceCrop per frame."""
        pixels = [_pixels(frame) for frame in frames]
        seen = self._look(pixels)
        return [_cut(pixels, seen, path, number) for number, path in enumerate(_link(seen))]

    def track(
        self,
        frames: Sequence[Image.Image],
        *,
        face: int | None = None,
        box: Sequence[float] | np.ndarray | None = None,
    ) -> list[FaceCrop]:
        """One person over the frames: exactly one FaceCrop per frame, in order.

        Args:
            frames: RGB pictures.
            face: which person in largest-first order; None means the largest.
            box: x0, y0, x1, y1 in source pixels where a data set says the face is. The detection that overlaps it is
                taken; frames without one use the box itself and say `GIVEN`, unless it lies outside the picture.

        Raises:
            EmoError: when there are faces but no person number `face`, or the box has no area.
        """
        pixels = [_pixels(frame) for frame in frames]
        seen = self._look(pixels)
        if box is not None:
            return self._follow_box(pixels, seen, np.asarray(box, float).reshape(4))
        paths = _link(seen)
        if not paths:
            return _cut(pixels, seen, {}, 0)
        number = 0 if face is None else face
        if not 0 <= number < len(paths):
            raise EmoError(f"There is no face number {number}: {len(paths)} found, counted from 0, largest first.")
        return _cut(pixels, seen, paths[number], number)

    def _follow_box(self, pixels: list[np.ndarray], seen: list[list[_Face]], box: np.ndarray) -> list[FaceCrop]:
        if not (box[2:] > box[:2]).all():
            raise EmoError(f"The face box {box.tolist()} has no area: give x0, y0, x1, y1 with x0 < x1 and y0 < y1.")
        side = float((box[2:] - box[:2]).max())
        square = np.array([*((box[:2] + box[2:]) / 2), side * MESH_SCALE, 0.0])
        path: dict[int, _Face] = {}
        for index, faces in enumerate(seen):
            usable = [face for face in faces if face.status.usable]
            overlaps = iou(box, np.array([face.box for face in usable])) if usable else np.zeros(1)
            if overlaps.max() >= GIVEN_OVERLAP:
                path[index] = usable[int(overlaps.argmax())]
            elif (np.minimum(box[2:], pixels[index].shape[1::-1]) > np.maximum(box[:2], 0)).all():
                mesh, score = self._measure([(pixels[index], square)])[0]
                path[index] = _Face(mesh, _bounds(mesh), score, FaceStatus.GIVEN)
        return _cut(pixels, seen, path, 0)

    def _look(self, pixels: list[np.ndarray]) -> list[list[_Face]]:
        """Every candidate of every frame, usable or not, largest first."""
        seen: list[list[_Face]] = [[] for _ in pixels]
        for view in VIEWS:
            open_frames = [index for index, faces in enumerate(seen) if not any(f.status.usable for f in faces)]
            if not open_frames:
                break
            squares = self._find([pixels[index] for index in open_frames], view)
            jobs = [
                (index, square)
                for index, found in zip(open_frames, squares, strict=True)
                for square in found
                if view == VIEWS[0] or square[2] >= FILLS * MESH_SCALE * max(pixels[index].shape[:2])
            ]
            measured = self._measure([(pixels[index], square) for index, square in jobs])
            for (index, _), (mesh, score) in zip(jobs, measured, strict=True):
                seen[index].append(self._judge(mesh, score, pixels[index].shape))
        return [_distinct(faces) for faces in seen]

    def _find(self, pixels: list[np.ndarray], view: float) -> list[list[np.ndarray]]:
        """BlazeFace on each frame: the mesh squares (centre x, centre y, side, angle) of what it finds."""
        transforms = []
        for frame in pixels:
            height, width = frame.shape[:2]
            centre = np.array([width - 1, height - 1]) / 2
            transforms.append(square_transform(centre, max(height, width) * view, 0.0, FINDER_SIZE))
        inputs = [warp(frame, move, FINDER_SIZE) for frame, move in zip(pixels, transforms, strict=True)]
        outputs = self._finder(np.stack(inputs).transpose(0, 3, 1, 2) / np.float32(127.5) - 1)
        logits = np.concatenate([outputs["scores_16"], outputs["scores_8"]], 1)[..., 0]
        values = np.concatenate([outputs["boxes_16"], outputs["boxes_8"]], 1)
        squares = []
        for move, frame_logits, frame_values in zip(transforms, logits, values, strict=True):
            likely = frame_logits > np.log(MIN_SCORE / (1 - MIN_SCORE))
            anchors, shape = _ANCHORS[likely], frame_values[likely]
            centres, half = shape[:, :2] + anchors, shape[:, 2:4] / 2
            best = keep_best(np.concatenate([centres - half, centres + half], 1), frame_logits[likely])
            eyes = shape[:, 4:8].reshape(-1, 2, 2) + anchors[:, None]
            back = invert(move)
            scale = np.sqrt(np.linalg.det(back[:, :2]))
            squares.append(
                [
                    np.array([*apply(back, centres[i] - 0.5), 2 * half[i].max() * scale * MESH_SCALE, _roll(*eyes[i])])
                    for i in best
                ]
            )
        return squares

    def _measure(self, jobs: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, float]]:
        """Face Mesh on squares of frames: (468, 2) points in source pixels and how sure the net is of a face.

        The net looks twice: the second square is centred on, and turned by, what the first look saw.
        """
        if not jobs:
            return []
        for look in range(2):
            moves = [square_transform(square[:2], square[2], square[3], MESH_SIZE) for _, square in jobs]
            inputs = [warp(pixels, move, MESH_SIZE) for (pixels, _), move in zip(jobs, moves, strict=True)]
            outputs = self._mesh(np.stack(inputs).transpose(0, 3, 1, 2) / np.float32(255))
            points = outputs["mesh"].reshape(len(jobs), -1, 3)[..., :2] - 0.5
            meshes = [apply(invert(move), mesh) for move, mesh in zip(moves, points, strict=True)]
            scores = outputs["presence"].ravel()
            if look == 0:
                jobs = [
                    (pixels, _mesh_square(mesh) if score >= self.min_presence else square)
                    for (pixels, square), mesh, score in zip(jobs, meshes, scores, strict=True)
                ]
        return [(mesh, float(score)) for mesh, score in zip(meshes, scores, strict=True)]

    def _judge(self, mesh: np.ndarray, score: float, shape: tuple[int, ...]) -> _Face:
        box = _bounds(mesh)
        limit = np.array([shape[1], shape[0]]) - 0.5
        outside = float(((mesh < -0.5) | (mesh > limit)).any(1).mean())
        if score < self.min_presence:
            status = FaceStatus.LOW_SCORE
        elif (box[2:] - box[:2]).max() < self.min_side:
            status = FaceStatus.TOO_SMALL
        else:
            status = FaceStatus.CUT_OFF if outside > MAX_OUTSIDE else FaceStatus.OK
        return _Face(mesh, box, score, status)


def _anchors() -> np.ndarray:
    """(896, 2) centres of BlazeFace's anchors in pixels: 2 on each of 16 x 16 cells, then 6 on each of 8 x 8."""
    grids = []
    for cells, copies in ((16, 2), (8, 6)):
        rows, columns = np.divmod(np.arange(cells * cells), cells)
        grids.append(np.repeat((np.stack([columns, rows], 1) + 0.5) * (FINDER_SIZE / cells), copies, axis=0))
    return np.concatenate(grids)


_ANCHORS = _anchors()


def _pixels(frame: Image.Image) -> np.ndarray:
    return np.asarray(frame.convert("RGB"))


def _roll(left: np.ndarray, right: np.ndarray) -> float:
    """Angle in radians of the line from the eye on the picture's left to the other, clockwise."""
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))


def _bounds(mesh: np.ndarray) -> np.ndarray:
    return np.concatenate([mesh.min(0), mesh.max(0)])


def _upright(mesh: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Centre, larger side and roll of the mesh's bounding box in the frame where the eyes are level."""
    roll = _roll(*mesh[list(MESH_EYES)])
    turn = square_transform(np.zeros(2), 1.0, roll, 1)
    level = apply(turn, mesh)
    low, high = level.min(0), level.max(0)
    return apply(invert(turn), (low + high) / 2), float((high - low).max()), roll


def _mesh_square(mesh: np.ndarray) -> np.ndarray:
    centre, side, roll = _upright(mesh)
    return np.array([*centre, side * MESH_SCALE, roll])


def _distinct(faces: list[_Face]) -> list[_Face]:
    """Largest first; of candidates that lie on each other the surest one stays."""
    if not faces:
        return []
    kept = keep_best(np.array([face.box for face in faces]), np.array([face.score for face in faces]), 0.5)
    return sorted((faces[index] for index in kept), key=lambda face: -face.area)


def _link(seen: list[list[_Face]]) -> list[dict[int, _Face]]:
    """Join the usable faces of neighbouring frames into people, {frame: face} each, largest (sum of areas) first."""
    paths: list[dict[int, _Face]] = []
    for index, faces in enumerate(seen):
        usable = [face for face in faces if face.status.usable]
        costs = []
        for number, path in enumerate(paths):
            last = path[max(path)]
            for order, face in enumerate(usable):
                sides = sorted((face.side, last.side))
                step = float(np.linalg.norm(face.centre - last.centre)) / float(np.mean(sides))
                if step < MAX_STEP and sides[1] < MAX_GROWTH * sides[0]:
                    costs.append((step, number, order))
        taken_paths: set[int] = set()
        taken_faces: set[int] = set()
        for _, number, order in sorted(costs):
            if number not in taken_paths and order not in taken_faces:
                paths[number][index] = usable[order]
                taken_paths.add(number)
                taken_faces.add(order)
        paths += [{index: face} for order, face in enumerate(usable) if order not in taken_faces]
    return sorted(paths, key=lambda path: -sum(face.area for face in path.values()))


def _cut(pixels: list[np.ndarray], seen: list[list[_Face]], path: dict[int, _Face], number: int) -> list[FaceCrop]:
    """The FaceCrop of each frame along one path; frames off the path say what was there instead."""
    crops = []
    for index, frame in enumerate(pixels):
        face = path.get(index)
        if face is None:
            crops.append(_absent([face for face in seen[index] if not face.status.usable], number))
            continue
        centre, side, roll = _upright(face.mesh)
        move = square_transform(centre, side * CROP_SCALE, roll, CROP_SIZE)
        image = Image.fromarray(warp(frame, move, CROP_SIZE))
        crops.append(FaceCrop(face.status, image, face.box, face.mesh[MESH_TO_IBUG], move, face.score, number))
    return crops


def _absent(doubtful: list[_Face], number: int) -> FaceCrop:
    """Why a frame shows no usable face of this person: the largest doubtful candidate, or nothing at all."""
    if not doubtful:
        return FaceCrop(FaceStatus.NO_FACE, track=number)
    return FaceCrop(doubtful[0].status, box=doubtful[0].box, score=doubtful[0].score, track=number)
