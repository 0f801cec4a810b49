"""FaceCrop -> picture: the dots lie where the landmarks are, and the crop itself stays as it was."""

import numpy as np
import pytest
from face_scenes import ASTRONAUT, turned

from emo_toolkit.face import FaceDetector, draw_landmarks
from emo_toolkit.face.geometry import apply
from emo_toolkit.schema import FaceCrop, FaceStatus


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(threads=1)


@pytest.mark.parametrize("degrees", [0, 30])
def test_every_landmark_is_a_green_dot_with_a_white_rim(detector: FaceDetector, degrees: int) -> None:
    crop = detector.detect(turned(degrees) if degrees else ASTRONAUT)[0]
    before = np.array(crop.image)
    picture = draw_landmarks(crop)
    assert picture.size == (2 * crop.image.width, 2 * crop.image.height) and picture.mode == "RGB"
    assert (np.array(crop.image) == before).all()
    pixels = np.asarray(picture).astype(int)
    for x, y in np.rint(2 * apply(crop.transform, crop.landmarks) + 0.5).astype(int):
        red, green, blue = pixels[y, x]
        assert green > red + 60 and green > blue + 20
        assert pixels[y - 5 : y + 6, x - 5 : x + 6].min(axis=2).max() > 220


def test_a_frame_without_a_face_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no_face"):
        draw_landmarks(FaceCrop(FaceStatus.NO_FACE))
