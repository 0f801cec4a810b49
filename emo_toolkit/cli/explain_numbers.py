"""What an explain command found -> explain.json: every number of the page, under keys that the file explains."""

from dataclasses import asdict
from typing import Any

from ..explain import maps
from ..schema import FACE_REGIONS, Faithfulness, RandomisationCheck
from .explain_figures import Explained

KEYS = {
    "keys": "what the keys mean",
    "path": "the file",
    "kind": "image or video",
    "size": "[width, height] of the source in pixels",
    "checkpoint": "the model that answered",
    "seconds": "what it took",
    "prompt": "the exact text that the model read; <image> stands for all frame tokens",
    "attributes": "age, gender and race words of the prompt and whose they are; race is only ever given",
    "label": "the likeliest option, null without options",
    "scores": "probability of each option; they sum to 1",
    "text": "what the model wrote",
    "words": "the words of the text; axis W",
    "frames": "every frame: time in s, box x0, y0, x1, y1 in source pixels, whether it has a usable face. Axis F "
    "below counts those with a usable face only, in this order",
    "shown": "which of the F frames the figures show",
    "transforms": "F x 2 x 3, source pixels to pixels of the face crop; the first pixel's centre is at 0, 0",
    "crop_size": "width and height of a crop in pixels",
    "landmarks": "F x 68 x 2, in -1..1 of the crop",
    "region_names": "axis R: regions of the face; right and left are the person's own",
    "maps": "one object a map. view: word (from the answer's words to the face), global and local (Face Info Mining: "
    "patches to the face embedding, landmarks to patches), global_clues and local_clues (what the face tokens were "
    "gathered from); method; values F x P over the square grid of patches, row by row from the top left; regions F x "
    "R, the mean at the landmarks; faithfulness and randomisation, null where not asked for",
    "maps.faithfulness": "over_chance and over_centre, area between insertion and deletion curve in log-odds of the "
    "label, above that of moved copies and of centre first, each with an interval at `level`; curves deletion, "
    "insertion (S + 1 values each) of map and centre; whole: what hiding all of it takes; verdict",
    "maps.randomisation": "Spearman correlations between the map and those of models with shuffled weights, mean, "
    "95 % interval, verdict",
    "word_method": "the method of the following three",
    "word_tokens": "share of each word's attention (W) by kind of token; over kinds they sum to 1",
    "word_frames": "W x F, share of attention to each frame",
    "word_regions": "W x F x R, each word's map at the regions",
    "word_placed": "W, the share of a word's attention that has a place on the face, so that a map can show it",
    "clue_regions": "F x R, mean weight of a landmark of a region in the local clue; even is 1 / 68",
    "token_parts": "F x 2 x 3: of face_global and face_local the shares by norm of the content token, of what "
    "attention gathered, and of the prior summary; only the second has a map",
    "mapped_share": "F x 2: gathered / (gathered + prior summary), of face_global and face_local",
    "lens": "of each frame, the vocabulary words nearest to face_global and to face_local, with cosines",
}


def numbers(found: Explained) -> dict[str, Any]:
    """The file's values under `KEYS`; arrays are still arrays."""
    asked, seen, method = found.asked, found.seen, found.word_method
    known = asked.prompt.attributes
    return {
        "keys": KEYS,
        "path": asked.path,
        "kind": asked.reading.media.kind,
        "size": seen.size,
        "checkpoint": asked.pipeline.checkpoint.name,
        "seconds": round(found.seconds, 1),
        "prompt": seen.prompt,
        "attributes": {name: getattr(known, name) for name in ("age", "gender", "race", "origin")},
        "label": seen.label,
        "scores": seen.scores,
        "text": seen.text,
        "words": seen.words,
        "frames": [asdict(frame) for frame in asked.reading.frames],
        "shown": found.shown,
        "transforms": [crop.transform for crop in seen.crops],
        "crop_size": seen.crops[0].image.width,
        "landmarks": seen.landmarks,
        "region_names": list(FACE_REGIONS),
        "maps": [
            {
                "view": each.view,
                "method": each.method,
                "values": each.values,
                "regions": maps.region_values(seen, each.values),
                "faithfulness": each.faithfulness and _faithfulness(each.faithfulness),
                "randomisation": each.randomisation and _randomisation(each.randomisation),
            }
            for each in found.judged
        ],
        "word_method": method,
        "word_tokens": maps.shares(seen, method=method),
        "word_frames": maps.timeline(seen, method=method),
        "word_regions": maps.word_regions(seen, method=method),
        "word_placed": maps.word_maps(seen, method=method).sum((1, 2)),
        "clue_regions": maps.region_clues(seen, method=found.first("local_clues").method),
        "token_parts": seen.token_parts,
        "mapped_share": maps.mapped_share(seen),
        "lens": [{"face_global": whole, "face_local": local} for whole, local in seen.lens],
    }


def _faithfulness(found: Faithfulness) -> dict[str, Any]:
    curves = {name: vars(getattr(found, name)) for name in ("saliency", "centre")}
    plain = {name: value for name, value in vars(found).items() if name not in ("saliency", "centre", "chance")}
    return plain | {"whole": found.whole} | curves


def _randomisation(found: RandomisationCheck) -> dict[str, Any]:
    return vars(found)
