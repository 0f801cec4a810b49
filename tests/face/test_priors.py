"""Media -> priors: every frame has its row, landmarks are in the crop's own coordinates, threads agree."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from face_scenes import noise, scene

from emo_toolkit.face import EmbeddedAnalyser, FaceDetector, FacialPriorExtractor
from emo_toolkit.face.geometry import apply
from emo_toolkit.schema import FaceAttributes, Media


@pytest.fixture(scope="module")
def extractor() -> FacialPriorExtractor:
    return FacialPriorExtractor(EmbeddedAnalyser(threads=1), FaceDetector(threads=1))


@pytest.fixture(scope="module")
def clip() -> Media:
    frames = (scene((100, 40, 250)), noise(360), scene((150, 40, 250)))
    return Media(frames, (0.0, 0.5, 1.0), "video", (640, 360), 1.5)


def test_every_frame_has_its_row(extractor, clip):
    priors = extractor.analyse(extractor.detect(clip))
    assert priors.embedding.shape == (3, 49, 1536)
    assert priors.landmarks.shape == (3, 68, 2) and priors.boxes.shape == (3, 4)
    assert priors.found.tolist() == [True, False, True]
    for rows in (priors.embedding, priors.landmarks, priors.boxes):
        assert rows[[0, 2]].any(axis=tuple(range(1, rows.ndim))).all() and not rows[1].any()
    assert priors.attributes == FaceAttributes()
    assert priors.boxes[2, 0] - priors.boxes[0, 0] == pytest.approx(50, abs=3)


def test_landmarks_are_in_the_coordinates_of_the_crop(extractor, clip):
    crops = extractor.detect(clip)
    priors = extractor.analyse(crops)
    assert np.abs(priors.landmarks).max() < 1
    pixels = ((priors.landmarks[0] + 1) * 224 - 1) / 2
    np.testing.assert_allclose(pixels, apply(crops[0].transform, crops[0].landmarks), atol=1e-3)
    eyes, mouth = priors.landmarks[0, 36:48].mean(0), priors.landmarks[0, 48:60].mean(0)
    assert eyes[1] < 0 < mouth[1] and abs(eyes[0]) < 0.15


def test_attributes_only_when_asked(extractor, clip):
    priors = extractor.analyse(extractor.detect(clip), attributes=True)
    assert priors.attributes.gender == "female" and priors.attributes.race is None


def test_one_extractor_serves_four_threads(extractor, clip):
    alone = extractor.analyse(extractor.detect(clip))
    with ThreadPoolExecutor(4) as pool:
        for priors in pool.map(lambda _: extractor.analyse(extractor.detect(clip)), range(4)):
            np.testing.assert_array_equal(priors.embedding, alone.embedding)
            np.testing.assert_array_equal(priors.landmarks, alone.landmarks)


def test_the_version_names_the_analyser(extractor):
    class Other(EmbeddedAnalyser):
        version = "other-1"

    assert extractor.version == FacialPriorExtractor.version == EmbeddedAnalyser.version
    assert FacialPriorExtractor(Other()).version == "other-1"


def test_no_frames(extractor):
    priors = extractor.analyse(extractor.detect(Media((), (), "video", (8, 8))), attributes=True)
    assert len(priors.embedding) == len(priors.landmarks) == len(priors.found) == 0
