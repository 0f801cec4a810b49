"""A seed -> the frames of a short clip: neutral, onset, apex, offset, with blinks, head motion and a drifting gaze.

Identity, light, background -> constant; action units, pose and gaze -> smooth curves -> one FaceSpec a frame.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from .action_units import split_code
from .sampler import sample_spec
from .specs import Expression, FaceSpec

FRAMES = (4, 240)  # fewest and most
SECONDS = (2.0, 4.0)  # length of a clip
RISE_SECONDS = (0.3, 0.9)  # from neutral to the apex
BLINK_SECONDS = (0.15, 0.3)  # a lid closes in a third of it and opens in the rest
BLINK_GAP = 0.5  # s between two blinks
UPPER_FACE = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU43")
FLUTTER = 0.06  # the most that an action unit sags besides its envelope
HEAD_SWING = np.array([4.0, 2.5, 1.5])  # degrees of yaw, pitch and roll
GAZE_SWING = np.array([2.5, 1.5])  # degrees of yaw and pitch
COUNTER_GAZE = 0.6  # share of a turn of the head that the eyes take back to stay with the camera
GAZE_LIMIT = np.array([28.0, 18.0])  # degrees


@dataclass(frozen=True)
class ClipSpec:
    """The whole recipe of a clip: `frames[k]` is shown `times[k]` seconds after the first, at equal intervals.

    `onset` is when the face begins to move, `apex` the time of the frame at which action units, pose and gaze are
    those of the still that the same seed gives, `offset` when the first action unit begins to fall (all in s). Every
    frame bears the label of the clip; its `Expression.intensity` says how much of it there is yet.
    """

    frames: tuple[FaceSpec, ...]
    times: tuple[float, ...]
    onset: float
    apex: float
    offset: float
    seed: int

    @property
    def apex_index(self) -> int:
        """Number of the frame at the apex."""
        return self.times.index(self.apex)

    @property
    def fps(self) -> Fraction:
        """Frames a second."""
        return Fraction(1000, round(1000 * self.times[1]))

    @property
    def duration(self) -> float:
        """Length in s; the last frame is shown as long as the others."""
        return len(self.frames) * self.times[1]


def sample_clip(
    seed: int, *, identity: int | None = None, label: str | None = None, frames: int = 16, factor: str = "ordinary"
) -> ClipSpec:
    """The clip of a seed: 2 to 4 s from neutral over onset and apex back to neutral.

    Each action unit has its own envelope, the upper and the lower face out of step, and all are at their height in the
    apex frame, which is `sample_spec` of the same arguments but for the sensor's noise. One or two blinks (AU43) stay
    clear of it; pose and gaze drift around it by a few degrees. A neutral clip is blinks and drift only.

    Args:
        seed: the same arguments give the same clip.
        identity: seed of the person; None draws one from `seed`.
        label: a word of `LABELS["ferplus"]`; None draws one.
        frames: 4 to 240 frames, spread evenly over the clip.
        factor: a word of `sampler.FACTORS`; it holds in the apex frame.

    Raises:
        ValueError: when `frames` is out of range.
    """
    if not FRAMES[0] <= frames <= FRAMES[1]:
        raise ValueError(f"a clip has {FRAMES[0]} to {FRAMES[1]} frames, not {frames}")
    rng = np.random.default_rng([seed, *b"clip"])
    still = sample_spec(seed, identity=identity, label=label, factor=factor)
    step = round(1000 * rng.uniform(*SECONDS) / frames)  # ms
    times = np.arange(frames) * step / 1000
    apex = times[round(rng.uniform(0.42, 0.6) * (frames - 1))]
    envelopes, onset, offset = _envelopes(tuple(still.expression.action_units), times, apex, rng)
    blink = _blinks(times, apex, rng)
    curves = {code: value * envelopes[code] for code, value in still.expression.action_units.items()}
    curves |= {code: curves[code] * (1 - blink) for code in curves.keys() & {"AU5", "L5", "R5"}}  # a lid that closes
    curves["AU43"] = np.maximum(curves.get("AU43", 0), blink)
    strength = np.mean([*envelopes.values()], axis=0) if envelopes else np.ones(frames)
    head = _drift(times, apex, HEAD_SWING, rng)
    gaze = _drift(times, apex, GAZE_SWING, rng) - COUNTER_GAZE * head[:, :2]
    seeds = rng.integers(2**48, size=frames).tolist()
    specs = []
    for k in range(frames):
        units = {code: float(curve[k]) for code, curve in curves.items() if curve[k] > 0}
        intensity = still.expression.intensity * float(strength[k])
        expression = replace(still.expression, action_units=units, intensity=intensity)
        moved = _moved(still, expression=expression, head=head[k], gaze=gaze[k])
        specs.append(replace(moved, seed=seeds[k]))
    return ClipSpec(tuple(specs), tuple(times.tolist()), onset, float(apex), offset, seed)


def _envelopes(
    codes: tuple[str, ...], times: np.ndarray, apex: float, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], float, float]:
    """Code -> its share of the apex in each frame (F,), 0 in the first and last, 1 at `apex`; onset and offset in s.

    Four knots make an envelope: it leaves 0, reaches 1, leaves 1, reaches 0. Those before the apex are shares of the
    time up to it, the others of the time from it to the last frame.
    """
    after = times[-1] - apex
    reached = rng.uniform(0.75, 0.92)
    left = max(rng.uniform(0.08, 0.3), reached - rng.uniform(*RISE_SECONDS) / apex)
    knots = np.array([left, reached, rng.uniform(0.12, 0.4), rng.uniform(0.78, 0.96)])
    lag = {True: rng.normal(0, 0.05, 2).repeat(2), False: rng.normal(0, 0.05, 2).repeat(2)}
    scale, start = np.array([apex, apex, after, after]), np.array([0, 0, apex, apex])
    found, onset, offset = {}, float("inf"), float("inf")
    for code in codes:
        own = knots + lag[split_code(code)[0] in UPPER_FACE] + rng.normal(0, 0.025, 4)
        own = np.clip(own, (0.02, 0.55, 0.02, 0.6), (0.8, 0.98, 0.5, 1.0))
        own[0] = min(own[0], own[1] - 0.2)
        leaves, top, falls, end = start + scale * own
        rise = _smooth((times - leaves) / (top - leaves))
        fall = _smooth((times - falls) / (end - falls))
        sag = 1 - FLUTTER * np.sin(math.pi * rng.uniform(0.3, 1.2) * (times - apex)) ** 2
        found[code] = rise * (1 - fall) * sag
        onset, offset = min(onset, leaves), min(offset, falls)
    if not codes:
        onset, offset = knots[0] * apex, apex + knots[2] * after
    return found, float(onset), float(offset)


def _blinks(times: np.ndarray, apex: float, rng: np.random.Generator) -> np.ndarray:
    """How far the lids are shut in each frame (F,): one or two blinks, shut in some frame, open at 0 and `apex`."""
    shut, centres = np.zeros(len(times)), []
    wanted = rng.integers(1, 3)
    for frame in rng.permutation(len(times)):
        length, depth = rng.uniform(*BLINK_SECONDS), rng.uniform(0.9, 1.0)
        centre = times[frame] + rng.uniform(-0.08, 0.08) * length
        first, last = centre - length / 3, centre + length * 2 / 3
        near = any(abs(centre - other) < BLINK_GAP for other in centres)
        if first < 0 or first < apex < last or near or len(centres) == wanted:
            continue
        centres.append(centre)
        closing, opening = (times - first) / (length / 3), (last - times) / (length * 2 / 3)
        shut = np.maximum(shut, depth * _smooth(np.minimum(closing, opening)))
    return shut


def _drift(times: np.ndarray, apex: float, swing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slow wandering around the value at `apex`: (F, n) degrees for n angles of the given swing."""
    slow, quick = rng.uniform(0.08, 0.25, len(swing)), rng.uniform(0.25, 0.6, len(swing))  # Hz
    phases, reach = rng.uniform(0, 2 * math.pi, (2, len(swing))), rng.uniform(0.4, 1.3, len(swing))

    def at(time: np.ndarray) -> np.ndarray:
        turn = 2 * math.pi * time[:, None]
        return swing * reach * (0.8 * np.sin(turn * slow + phases[0]) + 0.25 * np.sin(turn * quick + phases[1]))

    return at(times) - at(np.array([apex]))


def _moved(still: FaceSpec, *, expression: Expression, head: np.ndarray, gaze: np.ndarray) -> FaceSpec:
    scene = still.scene
    yaw, pitch, roll = (np.array([scene.yaw, scene.pitch, scene.roll]) + head).tolist()
    look = np.clip(np.array(scene.gaze) + gaze, -GAZE_LIMIT, GAZE_LIMIT).tolist()
    scene = replace(scene, yaw=yaw, pitch=pitch, roll=roll, gaze=tuple(look))
    return replace(still, expression=expression, scene=scene)


def _smooth(share: np.ndarray) -> np.ndarray:
    """0 to 1 with the least jerk (Flash and Hogan 1985)."""
    x = np.clip(share, 0, 1)
    return x * x * x * (10 + x * (6 * x - 15))
