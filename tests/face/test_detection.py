"""Faces are found, cut upright, told apart, followed over frames, and their absence has a reason."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skimage.data
from face_scenes import ASTRONAUT, noise, scene, turned
from PIL import Image

from emo_toolkit.errors import EmoError
from emo_toolkit.face import FaceDetector
from emo_toolkit.face.geometry import apply
from emo_toolkit.schema import NUM_LANDMARKS, FaceStatus

RAMP = np.linspace(0, 255, 224).astype(np.uint8)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(threads=1)


def middle(crop) -> np.ndarray:
    return (crop.box[:2] + crop.box[2:]) / 2


def test_the_astronaut_has_one_face(detector):
    (crop,) = detector.detect(ASTRONAUT)
    assert crop.status is FaceStatus.OK
    assert np.linalg.norm(middle(crop) - (225, 122)) < 8
    assert crop.image.size == (224, 224) and crop.image.mode == "RGB"


def test_landmarks_lie_in_the_box_and_in_the_order_of_ibug(detector):
    (crop,) = detector.detect(ASTRONAUT)
    points = crop.landmarks
    assert points.shape == (NUM_LANDMARKS, 2)
    assert (points >= crop.box[:2]).all() and (points <= crop.box[2:]).all()
    x, y = points.T
    assert (np.diff(x[36:46][[0, 3, 6, 9]]) > 0).all()  # eye corners from the picture's left to its right
    assert y[17:27].max() < y[36:48].min() < y[36:48].max() < y[33] < y[48:60].min() and y[57] < y[8]
    assert (np.diff(x[4:13]) > 0).all() and x[0] < x[36] and x[16] > x[45]  # the jaw goes round below


def test_the_crop_is_upright_square_and_has_one_scale(detector):
    for degrees in (-25, 0, 25):
        (crop,) = detector.detect(turned(degrees))
        inside = apply(crop.transform, crop.landmarks)
        left, right = inside[36], inside[45]
        assert abs(np.degrees(np.arctan2(*(right - left)[::-1]))) < 0.5
        assert (inside > 0).all() and (inside < 223).all()
        width, height = np.ptp(inside, axis=0)
        assert 224 / 1.25 * 0.75 < max(width, height) <= 224 / 1.25 + 1


def test_turning_the_source_does_not_turn_the_crop(detector):
    (straight,), (tilted,) = detector.detect(ASTRONAUT), detector.detect(turned(20))
    points = [apply(crop.transform, crop.landmarks) for crop in (straight, tilted)]
    assert np.linalg.norm(points[0] - points[1], axis=1).mean() < 4  # of 224 px
    first, second = (np.asarray(crop.image, np.float32)[30:190, 40:184] for crop in (straight, tilted))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.95


def test_a_given_scale_changes_pixels_but_not_the_crop(detector):
    (small,), (large,) = detector.detect(scene((200, 50, 120))), detector.detect(scene((10, 5, 340)))
    gap = apply(small.transform, small.landmarks) - apply(large.transform, large.landmarks)
    assert np.linalg.norm(gap, axis=1).mean() < 6


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket"])
def test_no_face_in_pictures_of_other_things(detector, name):
    picture = Image.fromarray(getattr(skimage.data, name)())
    assert detector.detect(picture) == []
    assert not detector.track([picture])[0].status.usable


@pytest.mark.parametrize(
    "picture",
    [
        noise(48),
        noise(300),
        Image.fromarray(np.tile(RAMP, (224, 1))),
        Image.new("RGB", (64, 64)),
        Image.new("L", (1, 1)),
    ],
    ids=["small noise", "noise", "ramp", "black", "one pixel"],
)
def test_no_face_in_nothing(detector, picture):
    (crop,) = detector.track([picture])
    assert crop.status in (FaceStatus.NO_FACE, FaceStatus.LOW_SCORE) and crop.image is None


@pytest.mark.parametrize("side", [48, 112, 224])
def test_a_face_that_fills_the_picture_is_found(detector, side):
    tight = ASTRONAUT.crop((170, 60, 280, 182)).resize((side, side)).convert("L")
    (crop,) = detector.track([tight])
    assert crop.status is FaceStatus.OK


def test_the_largest_face_comes_first_and_the_index_picks_another(detector):
    picture = scene((20, 40, 160), (300, 20, 300))
    large, small = detector.detect(picture)
    assert (large.track, small.track) == (0, 1) and middle(large)[0] > 300 > middle(small)[0]
    np.testing.assert_array_equal(detector.track([picture])[0].box, large.box)
    np.testing.assert_array_equal(detector.track([picture], face=1)[0].box, small.box)
    for wrong in (2, -1):
        with pytest.raises(EmoError, match="2 found"):
            detector.track([picture], face=wrong)


def test_each_person_is_followed_while_they_pass_each_other(detector):
    frames = [scene((20 + 45 * k, 130, 200), (420 - 45 * k, 5, 130)) for k in range(8)]
    near, far = detector.faces(frames)
    for k, (first, second) in enumerate(zip(near, far, strict=True)):
        assert first.status.usable and second.status.usable
        assert np.linalg.norm(middle(first) - (20 + 45 * k + 100, 130 + 98)) < 12
        assert np.linalg.norm(middle(second) - (420 - 45 * k + 65, 5 + 63)) < 12


def test_a_face_that_goes_and_comes_back_is_one_person(detector):
    frames = [scene((200, 60, 220)), scene(), scene((230, 60, 220)), noise(360)]
    (person,) = detector.faces(frames)
    assert [crop.status.usable for crop in person] == [True, False, True, False]
    assert [crop.status for crop in detector.track(frames)] == [crop.status for crop in person]


def test_tiny_and_cut_faces_say_so(detector):
    (crop,) = FaceDetector(min_side=150, threads=1).track([ASTRONAUT])
    assert crop.status is FaceStatus.TOO_SMALL and crop.image is None and crop.box is not None
    (crop,) = detector.track([scene((100, 50, 40), size=(200, 200))])
    assert crop.status is FaceStatus.TOO_SMALL
    (crop,) = detector.track([ASTRONAUT.crop((205, 20, 400, 250))])
    assert crop.status is FaceStatus.CUT_OFF and crop.image is not None
    (crop,) = FaceDetector(min_presence=1.1, threads=1).track([ASTRONAUT])
    assert crop.status is FaceStatus.LOW_SCORE and crop.image is None


def test_a_given_box_picks_the_person_or_stands_in(detector):
    picture = scene((20, 40, 160), (300, 20, 300))
    _, small = detector.detect(picture)
    assert detector.track([picture], box=small.box)[0].status is FaceStatus.OK
    np.testing.assert_array_equal(detector.track([picture], box=small.box)[0].box, small.box)
    given, outside = (detector.track([noise(200)], box=box)[0] for box in ((50, 50, 150, 150), (300, 0, 400, 100)))
    assert given.status is FaceStatus.GIVEN and given.image.size == (224, 224)
    assert np.linalg.norm(middle(given) - (100, 100)) < 60
    assert not outside.status.usable
    with pytest.raises(EmoError, match="no area"):
        detector.track([picture], box=(50, 50, 50, 80))


def test_frames_do_not_disturb_each_other(detector):
    frames = [scene((40 * k, 20 * k, 150 + 20 * k)) for k in range(8)]
    together = detector.track(frames)
    for crop, frame in zip(together, frames, strict=True):
        (alone,) = detector.track([frame])
        np.testing.assert_allclose(crop.landmarks, alone.landmarks, atol=0.05)


def test_four_threads_agree(detector):
    alone = detector.track([ASTRONAUT])[0]
    with ThreadPoolExecutor(4) as pool:
        for crops in pool.map(lambda _: detector.track([ASTRONAUT]), range(8)):
            np.testing.assert_array_equal(crops[0].landmarks, alone.landmarks)


def test_no_frames_give_no_crops(detector):
    assert detector.track([]) == [] and detector.faces([]) == []
