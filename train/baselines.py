"""What can be had without the language model: majority class, the face wing's expression nets, and a linear probe.

    python train/baselines.py --root /data/ferplus --cache runs/priors --train-split train --valid-split valid
    python train/compare.py probe=baselines-linear-probe.jsonl mini=report.jsonl

The probe is a logistic regression on the features that training reads from --cache (train/extract_priors.py makes it,
for both splits); a sample that is not there had no face and counts as wrong. The expression nets read the files
themselves; they know seven labels, not contempt. Prints Markdown; figures go to --output, rows beside it.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from emo_toolkit.checkpoints import load
from emo_toolkit.data import DATASETS, PriorCache, load_samples
from emo_toolkit.errors import EmoError, MediaError
from emo_toolkit.evaluation import evaluate, to_json
from emo_toolkit.face import EmbeddedAnalyser, FacialPriorExtractor
from emo_toolkit.labels import LABELS
from emo_toolkit.media import load_media
from emo_toolkit.schema import EmoSample
from train.answers import write_text
from train.extract_priors import cache_key
from train.findings import span

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # of the squared weights, beside the mean loss
HELD_BACK = 10  # one in so many training samples chooses the penalty
STEPS = 100  # of L-BFGS


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the prior cache")
    parser.add_argument("--dataset", default="ferplus", choices=sorted(DATASETS))
    parser.add_argument("--train-split", default="train")
    parser.add_argument("--valid-split", default="valid", help="the split that is scored; nothing is chosen on it")
    parser.add_argument("--fold", type=int, help="of a set with folds, such as dfew and mafw")
    parser.add_argument("--checkpoint", default="mini-base", help="whose vision tower made the cache")
    parser.add_argument("--analyser", default=EmbeddedAnalyser.version, help="version of the analyser that made it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("baselines.json"))
    return parser.parse_args()


def majority(train: Sequence[EmoSample], valid: Sequence[EmoSample]) -> list[str | None]:
    """The commonest label of the training split, for everybody."""
    return [Counter(sample.label for sample in train).most_common(1)[0][0]] * len(valid)


def expression_nets(valid: Sequence[EmoSample]) -> list[str | None]:
    """The likeliest label by the mean of the two nets over the usable frames; None without any."""
    analyser = EmbeddedAnalyser()
    extractor = FacialPriorExtractor(analyser)
    found: list[str | None] = []
    for sample in tqdm(valid, unit="sample", desc="expression nets"):
        try:
            crops = extractor.detect(load_media(sample.path), box=sample.box)
        except MediaError as error:
            tqdm.write(f"{sample.row}: {sample.path}: {error}")
            crops = []
        scores = [frame for frame in analyser.expressions(crops) if any(frame.values())]
        total = {label: sum(frame[label] for frame in scores) for label in (scores[0] if scores else ())}
        found.append(max(total, key=total.__getitem__) if total else None)
    return found


def linear_probe(
    train: Sequence[EmoSample], valid: Sequence[EmoSample], cache: PriorCache, *, labels: Sequence[str], seed: int
) -> list[str | None]:
    """Logistic regression on cached features, towards the raters' votes where a set has them.

    The strength of its penalty is chosen by one in ten training samples; then it learns from all of them.
    """
    known = [sample for sample in train if sample.id in cache and cache.found(sample.id)]
    if len(known) < 2 * HELD_BACK:
        raise EmoError(
            f"{len(known)} of {len(train)} training samples are in {cache.folder}; run train/extract_priors.py for "
            "both splits"
        )
    inputs, targets = features_of(known, cache), torch.from_numpy(targets_of(known, labels))
    mean, spread = inputs.mean(0), inputs.std(0).clamp_min(1e-6)
    inputs = (inputs - mean) / spread
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(known)))
    held, rest = order[: len(known) // HELD_BACK], order[len(known) // HELD_BACK :]
    losses = {}
    for penalty in PENALTIES:
        weights, bias = fit(inputs[rest], targets[rest], penalty)
        losses[penalty] = F.cross_entropy(inputs[held] @ weights + bias, targets[held]).item()
    weights, bias = fit(inputs, targets, min(losses, key=losses.__getitem__))
    asked = [sample for sample in valid if sample.id in cache and cache.found(sample.id)]
    if not asked:
        raise EmoError(f"no scored sample is in {cache.folder}; run train/extract_priors.py for that split too")
    choices = (((features_of(asked, cache) - mean) / spread) @ weights + bias).argmax(1).tolist()
    said = {sample.id: labels[choice] for sample, choice in zip(asked, choices, strict=True)}
    return [said.get(sample.id) for sample in valid]


def features_of(samples: Sequence[EmoSample], cache: PriorCache) -> torch.Tensor:
    """(S, D + 2 C) means over the frames: face tokens' mean, patches' mean, CLS."""
    rows = []
    for sample in tqdm(samples, unit="sample", desc="features"):
        priors, vision = cache[sample.id]  # (F, N, D), (F, 1 + P, C)
        parts = (priors.embedding.mean((0, 1), dtype=np.float32), vision[:, 1:].mean((0, 1), dtype=np.float32))
        rows.append(np.concatenate([*parts, vision[:, 0].mean(0, dtype=np.float32)]))
    return torch.from_numpy(np.stack(rows))


def targets_of(samples: Sequence[EmoSample], labels: Sequence[str]) -> np.ndarray:
    """(S, L) the raters' shares where a set publishes votes, else the label alone."""
    rows = [
        [sample.votes.get(label, 0.0) if sample.votes else float(label == sample.label) for label in labels]
        for sample in samples
    ]
    targets = np.asarray(rows, np.float32)
    return targets / targets.sum(1, keepdims=True)


def fit(inputs: torch.Tensor, targets: torch.Tensor, penalty: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (D, L) and bias (L,) of a logistic regression from zero; the same data give the same weights."""
    weights = torch.zeros(inputs.shape[1], targets.shape[1], requires_grad=True)
    bias = torch.zeros(targets.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=STEPS, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(inputs @ weights + bias, targets) + penalty * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach(), bias.detach()


def run(arguments: argparse.Namespace) -> None:
    """Scores each baseline, writes the files and prints the table."""
    train, valid = (
        load_samples(arguments.dataset, arguments.root, split, fold=arguments.fold)
        for split in (arguments.train_split, arguments.valid_split)
    )
    labels = LABELS[arguments.dataset]
    cache = PriorCache(arguments.cache, key=cache_key(load(arguments.checkpoint), arguments.analyser))
    answers = {
        "majority class": majority(train, valid),
        "linear probe": linear_probe(train, valid, cache, labels=labels, seed=arguments.seed),
        "expression nets": expression_nets(valid),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    values, truth = {}, [sample.label for sample in valid]
    lines = ["| baseline | n | WAR | UAR |", "|---|---:|---|---|"]
    for name, said in answers.items():
        report = evaluate(
            truth,
            said,
            labels=labels,
            dataset=arguments.dataset,
            split=arguments.valid_split,
            fold=arguments.fold,
            no_face=Counter(said)[None],
            seed=arguments.seed,
        )
        values[name] = to_json(report)
        war, uar = span(report.war_interval), span(report.uar_interval)
        lines.append(f"| {name} | {report.n} | {report.war:.4f} {war} | {report.uar:.4f} {uar} |")
        rows = zip(valid, said, strict=True)
        text = "".join(
            json.dumps({"id": sample.id, "truth": sample.label, "label": label}) + "\n" for sample, label in rows
        )
        write_text(arguments.output.with_name(f"{arguments.output.stem}-{name.replace(' ', '-')}.jsonl"), text)
    write_text(arguments.output, json.dumps(values, indent=1))
    print("\n".join(lines))


def main() -> None:
    try:
        run(parse_arguments())
    except (EmoError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
