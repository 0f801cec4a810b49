"""Draws the examples that the page offers: faces as JPEG, clips as MP4, and the face that "Make a face" begins with.

    python train/draw_examples.py --out emo_toolkit/assets/examples

Needs no model and no data set; under a minute on two cores. The same seeds give the same files with the same Pillow
and PyAV. emo_toolkit/ui/examples.py says what each one shows.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from PIL import Image

from emo_toolkit.recording import write_clip
from emo_toolkit.synthetic import Expression, FaceRenderer, FaceSpec, Identity, Scene, sample_identity, sample_scene
from emo_toolkit.synthetic.action_units import PROTOTYPES
from emo_toolkit.synthetic.clips import sample_clip
from emo_toolkit.synthetic.wishes import FaceWish

PHOTO, CLIP, START = 448, 256, 224  # pixels of a side
CLIP_FRAMES = 26  # 2 s and a little
FACES = {  # file -> (seed of the person, age, gender, race), label, which prototype, seed of the scene
    "drawn_happiness": ((752, 33, "male", "Black"), "happiness", 1, 61),
    "drawn_surprise": ((733, 72, "female", "White"), "surprise", 0, 69),
    "drawn_fear": ((524, 36, "male", "Asian"), "fear", 0, 66),
    "drawn_sadness": ((588, 58, "female", "Asian"), "sadness", 0, 64),
    "drawn_anger": ((604, 23, "male", "White"), "anger", 2, 65),
    "drawn_contempt": ((531, 45, "female", "Black"), "contempt", 0, 66),
}
CLIPS = {  # file -> (seed of the person, age, gender, race), label, seed of the clip
    "drawn_clip_happiness": ((741, 10, "male", "Asian"), "happiness", 13),
    "drawn_clip_disgust": ((711, 30, "male", "White"), "disgust", 43),
}


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("emo_toolkit/assets/examples"), help="folder for the files")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    renderer = FaceRenderer()
    save(renderer.draw(FaceWish().spec, size=START).image, args.out / "drawn_start.jpg")
    for name, (person, label, variant, seed) in FACES.items():
        expression = Expression(label, dict(PROTOTYPES[label][variant]))
        spec = FaceSpec(identity(person), expression, sample_scene(seed, frontal=True), seed=seed)
        save(renderer.draw(spec, size=PHOTO).image, args.out / f"{name}.jpg")
    for name, (person, label, seed) in CLIPS.items():
        clip = sample_clip(seed, identity=person[0], label=label, frames=CLIP_FRAMES)
        calm = [replace(frame, identity=identity(person), scene=quiet(frame.scene)) for frame in clip.frames]
        faces = [renderer.draw(spec, size=CLIP).image for spec in calm]
        write_clip(faces, args.out / f"{name}.mp4", fps=clip.fps)
        save(faces[clip.apex_index], args.out / f"{name}.jpg")
        print(f"{name}: {clip.duration:.2f} s")


def identity(person: tuple[int, float, str, str]) -> Identity:
    """The made-up person."""
    seed, age, gender, race = person
    return sample_identity(seed, age=age, gender=gender, race=race)


def quiet(scene: Scene) -> Scene:
    """The scene without the sensor's noise, which costs bytes, and with eyes that stay near the camera."""
    gaze = (0.3 * scene.gaze[0], 0.3 * scene.gaze[1])
    return replace(scene, noise=0.0, blur=0.0, quality=None, gaze=gaze)


def save(image: Image.Image, path: Path) -> None:
    """A JPEG that looks like the drawing."""
    image.save(path, quality=90, optimize=True)


if __name__ == "__main__":
    main()
