"""Clips rise from neutral to the still of their seed and fall back, smoothly, with blinks, and as the same person."""

from dataclasses import replace

import numpy as np
import pytest

from emo_toolkit.labels import LABELS
from emo_toolkit.synthetic.clips import BLINK_SECONDS, SECONDS, UPPER_FACE, ClipSpec, sample_clip
from emo_toolkit.synthetic.renderer import FaceRenderer
from emo_toolkit.synthetic.sampler import FACTORS, sample_spec
from emo_toolkit.synthetic.specs import FaceSpec

SEEDS = range(40)
EXPRESSIVE = [label for label in LABELS["synthetic"] if label != "neutral"]


def curve(clip: ClipSpec, code: str) -> np.ndarray:
    return np.array([frame.expression.action_units.get(code, 0.0) for frame in clip.frames])


def pose(frame: FaceSpec) -> tuple[float, ...]:
    return frame.scene.yaw, frame.scene.pitch, frame.scene.roll, *frame.scene.gaze


def codes(clip: ClipSpec) -> set[str]:
    return set().union(*(frame.expression.action_units for frame in clip.frames)) - {"AU43"}


def fine(seed: int, **words: object) -> ClipSpec:
    """A clip so finely cut that speeds can be read from it."""
    return sample_clip(seed, frames=200, **words)


@pytest.mark.parametrize("frames", [4, 5, 16, 64, 240])
def test_neutral_apex_neutral(frames):
    for seed in SEEDS:
        clip = sample_clip(seed, frames=frames, label=EXPRESSIVE[seed % 7], factor=FACTORS[seed % 5])
        assert len(clip.frames) == len(clip.times) == frames
        first, last = (clip.frames[k].expression for k in (0, -1))
        assert not first.action_units and first.intensity == 0
        assert set(last.action_units) <= {"AU43"} and last.intensity == 0  # a blink may end a clip
        assert 0 < clip.onset < clip.apex < clip.offset < clip.times[-1]
        for code in codes(clip):
            assert curve(clip, code).max() == pytest.approx(curve(clip, code)[clip.apex_index])


def test_the_apex_frame_is_the_still_of_the_seed():
    for seed in SEEDS:
        asked = {"identity": 10 * seed, "label": LABELS["synthetic"][seed % 8], "factor": FACTORS[seed % 5]}
        clip, still = sample_clip(seed, **asked), sample_spec(seed, **asked)
        apex = clip.frames[clip.apex_index]
        assert apex.expression.action_units == pytest.approx(still.expression.action_units)
        assert apex.expression.intensity == pytest.approx(still.expression.intensity)
        assert pose(apex) == pytest.approx(pose(still))


def test_only_the_face_the_head_and_the_noise_change():
    for seed in SEEDS:
        clip = sample_clip(seed)
        first = clip.frames[0]
        for frame in clip.frames:
            kept = replace(
                frame.scene, **{name: getattr(first.scene, name) for name in ("yaw", "pitch", "roll", "gaze")}
            )
            assert frame.identity == first.identity and kept == first.scene
            assert (frame.expression.label, frame.expression.second, frame.factor) == (
                first.expression.label,
                first.expression.second,
                first.factor,
            )
        assert len({frame.seed for frame in clip.frames}) == len(clip.frames)


def test_the_same_seed_gives_the_same_clip_and_another_one_another():
    assert sample_clip(5) == sample_clip(5)
    clips = [sample_clip(seed, identity=1, label="fear") for seed in SEEDS]
    assert len({(clip.onset, clip.apex_index, clip.times[-1]) for clip in clips}) == len(clips)
    assert {clip.frames[0].identity.id for clip in clips} == {1}


def test_motion_is_smooth_and_human():
    for seed in SEEDS:
        clip = fine(seed, label=EXPRESSIVE[seed % 7])
        step = clip.times[1]
        assert SECONDS[0] * 0.95 <= clip.duration <= SECONDS[1] * 1.05
        assert float(clip.fps) == pytest.approx(len(clip.frames) / clip.duration)
        for code in codes(clip) - {"AU5"}:  # which gives way to a blink
            assert np.abs(np.diff(curve(clip, code))).max() / step < 13
        for angle, fastest, farthest in (("yaw", 25, 16), ("pitch", 16, 10), ("roll", 10, 6)):
            turn = np.array([getattr(frame.scene, angle) for frame in clip.frames])
            assert 0 < np.ptp(turn) < farthest and np.abs(np.diff(turn)).max() / step < fastest
        gaze = np.array([frame.scene.gaze for frame in clip.frames])
        assert np.ptp(gaze, axis=0).max() > 0.2 and np.abs(np.diff(gaze, axis=0)).max() / step < 40


def test_upper_and_lower_face_are_not_in_step():
    gaps = []
    for seed in SEEDS:
        clip = fine(seed, label="surprise")
        risen = {
            code: clip.times[int(np.argmax(curve(clip, code) > 0.5 * curve(clip, code).max()))] for code in codes(clip)
        }
        upper = np.mean([time for code, time in risen.items() if code in UPPER_FACE])
        gaps.append(np.mean([time for code, time in risen.items() if code not in UPPER_FACE]) - upper)
        assert len(set(risen.values())) > 2  # nor are the units of one half
    assert 0.03 < np.std(gaps) < 0.4 and min(gaps) < 0 < max(gaps)


def test_blinks():
    for seed in SEEDS:
        clip = fine(seed, label="neutral")
        shut = curve(clip, "AU43") > 0
        starts, ends = (np.flatnonzero(np.diff(shut.astype(int), prepend=0, append=0) == sign) for sign in (1, -1))
        assert 1 <= len(starts) <= 2 and not shut[[0, clip.apex_index]].any()
        for first, last in zip(starts, ends, strict=True):
            length = (last - first) * clip.times[1]
            assert length < BLINK_SECONDS[1] + 0.03 and (last == len(shut) or length > BLINK_SECONDS[0] - 0.05)
            assert curve(clip, "AU43")[first:last].max() > 0.85
        assert curve(sample_clip(seed), "AU43").max() > 0.8  # a blink is seen even where frames are few
        surprised = fine(seed, label="surprise")
        assert (curve(surprised, "AU5") + curve(surprised, "AU43")).max() <= 1 + 1e-9  # a lid is raised or shut


def test_a_neutral_clip_is_blinks_and_head_motion():
    clip = sample_clip(2, label="neutral")
    assert not codes(clip) and np.ptp([frame.scene.yaw for frame in clip.frames]) > 0.3
    assert clip.onset < clip.apex < clip.offset and clip.frames[clip.apex_index].expression.intensity > 0


@pytest.mark.parametrize("frames", [0, 1, 3, 241])
def test_too_few_or_many_frames(frames):
    with pytest.raises(ValueError, match=f"4 to 240 frames, not {frames}"):
        sample_clip(0, frames=frames)


def test_the_drawn_mouth_opens_with_the_curve():
    """The real pictures follow: the lips of a surprised face part by the apex and meet again."""
    clip, renderer = sample_clip(4, label="surprise", frames=7), FaceRenderer()
    gaps = []
    for frame in clip.frames:
        marks = renderer.draw(frame, size=64).truth.landmarks
        gaps.append(np.linalg.norm(marks[66] - marks[62]))
    assert np.argmax(gaps) == clip.apex_index and gaps[clip.apex_index] > 3 * max(gaps[0], gaps[-1])
