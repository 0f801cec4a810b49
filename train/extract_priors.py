"""Reads every file of a data set once: faces, facial priors and vision features -> a prior cache that training reads.

    python train/extract_priors.py --root /data/ferplus --cache runs/priors [--split train] [--limit 10000]
    python train/extract_priors.py --dataset dfew --fold 1 --root /data/DFEW --cache runs/dfew --analyser FACEXFORMER
    accelerate launch --multi_gpu --num_processes 8 train/extract_priors.py ...

Stopped runs go on where they were: a finished shard is never made again. Several processes share the shards out.
FACEXFORMER is a folder of train/checkpoints/convert_facexformer.py; training then needs analyser=facexformer-1.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from tqdm import tqdm

from emo_toolkit.checkpoints import Checkpoint, load
from emo_toolkit.data import DATASETS, load_samples, write_shard
from emo_toolkit.data.prior_cache import SHARD_ROWS
from emo_toolkit.errors import EmoError, MediaError
from emo_toolkit.face import EmbeddedAnalyser, FacialPriorExtractor
from emo_toolkit.face.facexformer import FaceXFormerAnalyser
from emo_toolkit.media import load_media, load_trusted_clip
from emo_toolkit.schema import EmoSample


def cache_key(checkpoint: Checkpoint, analyser: str = EmbeddedAnalyser.version) -> str:
    """Names what made a cache: the analyser, the vision tower with its picture size, and how many frames of a clip."""
    vision = checkpoint.model.config.vision_config
    size = checkpoint.processor.image_processor.size
    return json.dumps(
        {
            "analyser": analyser,
            "vision_tower": f"{vision.model_type}-{vision.hidden_size}x{vision.num_hidden_layers}",
            "size": [size["height"], size["width"]],
            "frames": checkpoint.processor.num_frames,
        }
    )


@torch.inference_mode()
def extract(samples: Sequence[EmoSample], checkpoint: Checkpoint, extractor: FacialPriorExtractor) -> tuple:
    """Ids, priors and vision features of the samples that can be read and have a usable face in every frame."""
    ids, priors, crops, frames = [], [], [], checkpoint.processor.num_frames
    for sample in samples:
        try:
            media = (load_trusted_clip if sample.kind == "video" else load_media)(sample.path, num_frames=frames)
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
    parts = pixels["pixel_values"].to(checkpoint.model.device, checkpoint.model.dtype).split(32)
    flat = torch.cat([checkpoint.model.get_vision_features(part).half().cpu() for part in parts]).numpy()
    return ids, priors, np.split(flat, np.cumsum([len(clip) for clip in crops])[:-1])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--dataset", default="ferplus", choices=sorted(DATASETS))
    parser.add_argument("--split", default="train")
    parser.add_argument("--fold", type=int, help="of a set with folds: train and test of one hold the clips of all")
    parser.add_argument("--checkpoint", default="mini-base", help="whose vision tower makes the features")
    parser.add_argument("--analyser", default="embedded", help='"embedded", or a folder with a converted FaceXFormer')
    parser.add_argument("--limit", type=int, help="only so many samples, drawn at random (the same ones every time)")
    return parser.parse_args()


def extract_all(arguments: argparse.Namespace) -> None:
    """This process's share of the shards.

    Raises:
        EmoError: for a set, split or checkpoint that is not there.
    """
    samples = load_samples(arguments.dataset, arguments.root, arguments.split, fold=arguments.fold)
    random.Random(0).shuffle(samples)
    samples = samples[: arguments.limit]
    state = PartialState(cpu=not torch.cuda.is_available())
    with state.main_process_first():  # of several processes only the first can assemble a checkpoint
        checkpoint = load(arguments.checkpoint, device=str(state.device))
    embedded = arguments.analyser == "embedded"
    analyser = EmbeddedAnalyser() if embedded else FaceXFormerAnalyser(arguments.analyser, device=str(state.device))
    key, extractor = cache_key(checkpoint, analyser.version), FacialPriorExtractor(analyser)
    mine = range(0, len(samples), SHARD_ROWS)[state.process_index :: state.num_processes]
    kept = 0
    with tqdm(total=sum(len(samples[first : first + SHARD_ROWS]) for first in mine), unit="sample") as bar:
        for first in mine:
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


def main() -> None:
    try:
        extract_all(parse_arguments())
    except (EmoError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
