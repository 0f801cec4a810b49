"""Reads every file of a data set once: faces, facial priors and vision features -> a prior cache that training reads.

    python train/extract_priors.py --root /data/ferplus --cache runs/priors [--split train] [--limit 10000]

Stopped runs go on where they were: a finished shard is never made again.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from emo_toolkit.checkpoints import Checkpoint, load
from emo_toolkit.data import DATASETS, load_samples, write_shard
from emo_toolkit.data.prior_cache import SHARD_ROWS
from emo_toolkit.errors import MediaError
from emo_toolkit.face import EmbeddedAnalyser, FacialPriorExtractor
from emo_toolkit.media import load_media
from emo_toolkit.schema import EmoSample


def cache_key(checkpoint: Checkpoint) -> str:
    """Names what made a cache: the analyser, and the vision tower with its picture size."""
    vision = checkpoint.model.config.vision_config
    size = checkpoint.processor.image_processor.size
    return json.dumps(
        {
            "analyser": EmbeddedAnalyser.version,
            "vision_tower": f"{vision.model_type}-{vision.hidden_size}x{vision.num_hidden_layers}",
            "size": [size["height"], size["width"]],
        }
    )


@torch.inference_mode()
def extract(samples: Sequence[EmoSample], checkpoint: Checkpoint, extractor: FacialPriorExtractor) -> tuple:
    """Ids, priors and vision features of the samples that can be read and have a usable face in every frame."""
    ids, priors, crops = [], [], []
    for sample in samples:
        try:
            media = load_media(sample.path)
        except MediaError as error:
            tqdm.write(f"{sample.row}: {sample.path}: {error}")
            continue
        seen = extractor.detect(media, box=sample.box)
        if all(crop.status.usable for crop in seen):
            ids.append(sample.id)
            crops.append([crop.image for crop in seen])
            priors.append(extractor.analyse(seen, attributes=True))
    if not ids:
        return ids, priors, []
    pixels = checkpoint.processor.image_processor([image for clip in crops for image in clip], return_tensors="pt")
    flat = torch.cat([checkpoint.model.get_vision_features(part) for part in pixels["pixel_values"].split(32)])
    features = flat.float().numpy().reshape(len(ids), -1, *flat.shape[1:])
    return ids, priors, features.astype(np.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--dataset", default="ferplus", choices=sorted(DATASETS))
    parser.add_argument("--split", default="train")
    parser.add_argument("--fold", type=int, help="of a set with folds: train and test of one hold the clips of all")
    parser.add_argument("--checkpoint", default="mini-base", help="whose vision tower makes the features")
    parser.add_argument("--limit", type=int, help="only so many samples, drawn at random (the same ones every time)")
    arguments = parser.parse_args()
    samples = load_samples(arguments.dataset, arguments.root, arguments.split, fold=arguments.fold)
    random.Random(0).shuffle(samples)
    samples = samples[: arguments.limit]
    checkpoint = load(arguments.checkpoint)
    key, extractor = cache_key(checkpoint), FacialPriorExtractor()
    kept = 0
    with tqdm(total=len(samples), unit="sample") as bar:
        for first in range(0, len(samples), SHARD_ROWS):
            part = samples[first : first + SHARD_ROWS]
            name = f"{arguments.dataset}-{arguments.split}{arguments.fold or ''}-{first:07d}"
            if len(part) < SHARD_ROWS:  # a later run with a higher --limit has more rows here
                name += f"-{len(part)}"
            path = arguments.cache / f"{name}.safetensors"
            if not path.is_file() and (found := extract(part, checkpoint, extractor))[0]:
                write_shard(path, *found, key=key)
                kept += len(found[0])
            bar.update(len(part))
    print(f"{kept} new samples with a face in {arguments.cache}")


if __name__ == "__main__":
    main()
