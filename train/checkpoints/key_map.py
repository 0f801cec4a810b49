"""Rules + names and shapes -> a proof that every source tensor is used once or named as unused, before any is read.

It runs on shapes alone, so that a network of any size can be checked without its weights.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from emo_toolkit.errors import CheckpointError

Shape = tuple[int, ...]
Change = Callable[[torch.Tensor], Sequence[torch.Tensor]]
SHOWN = 20  # complaints in one message


def unchanged(tensor: torch.Tensor) -> Sequence[torch.Tensor]:
    """The tensor as it is."""
    return (tensor,)


def thirds(tensor: torch.Tensor) -> Sequence[torch.Tensor]:
    """Query, key and value of a joined projection."""
    return tensor.tensor_split(3)


@dataclass(frozen=True)
class Rule:
    r"""Where the source tensors of one form go.

    Attributes:
        pattern: regular expression for the whole source name.
        targets: templates (`\1`) of the target names; none: the tensors are unused.
        note: why they are unused, or what is done to them.
        change: one tensor -> one for each target. It also runs on tensors without data, to prove the shapes.
    """

    pattern: str
    targets: tuple[str, ...] = ()
    note: str = ""
    change: Change = unchanged


@dataclass(frozen=True)
class Source:
    """Where a target comes from: the tensor, what is done to it, and which of the results is meant."""

    name: str
    change: Change
    part: int

    def make(self, tensor: torch.Tensor) -> torch.Tensor:
        """The target's value, sharing no memory with the source's."""
        return self.change(tensor.detach())[self.part].clone(memory_format=torch.contiguous_format)


@dataclass
class KeyMap:
    """The proven map: target -> its source, and source -> the reason why it is not used."""

    sources: dict[str, Source] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def report(self, made: Mapping[str, str] | None = None) -> str:
        """Key by key: one line for each source tensor, then one for each target that was `made` (name -> how)."""
        made = made or {}
        used = len({source.name for source in self.sources.values()})
        head = (
            f"{used} source tensors used once, {len(self.unused)} unused; {len(self.sources)} targets filled from them"
        )
        new = [f"{name} <- {how}" for name, how in made.items()]
        return "\n".join([f"{head}, {len(made)} made new.", "", *self.lines, *new, ""])


def map_keys(sources: Mapping[str, Shape], targets: Mapping[str, Shape], rules: Sequence[Rule]) -> KeyMap:
    """Proves that the rules carry the source tensors onto the targets.

    Raises:
        CheckpointError: naming each source tensor that no rule or two rules know, each one that has another shape than
            its target, each target that the model does not have or that is filled twice, and each one left empty.
    """
    found, complaints = KeyMap(), []
    for name, shape in sources.items():
        fitting = [(rule, match) for rule in rules if (match := re.fullmatch(rule.pattern, name))]
        if len(fitting) != 1:
            known = "two rules claim" if fitting else "no rule knows"
            complaints.append(f"{known} {name} {list(shape)}")
            continue
        rule, match = fitting[0]
        if not rule.targets:
            found.unused[name] = rule.note
            found.lines.append(f"{name} {list(shape)}: unused, {rule.note}")
            continue
        complaints += _place(name, shape, rule, [match.expand(target) for target in rule.targets], targets, found)
    complaints += [f"nothing fills {name} {list(targets[name])}" for name in targets if name not in found.sources]
    if complaints:
        hidden = [f"and {len(complaints) - SHOWN} more"] if len(complaints) > SHOWN else []
        raise CheckpointError("The tensors do not fit:\n  " + "\n  ".join([*complaints[:SHOWN], *hidden]))
    return found


def _place(
    name: str, shape: Shape, rule: Rule, wanted: list[str], targets: Mapping[str, Shape], found: KeyMap
) -> Iterator[str]:
    """Enters one source tensor into `found`, and yields what does not fit."""
    try:
        parts = rule.change(torch.empty(shape, device="meta"))
        pairs = list(zip(wanted, (tuple(part.shape) for part in parts), strict=True))
    except (RuntimeError, ValueError, IndexError) as error:
        yield f"{name} {list(shape)} cannot be brought into {', '.join(wanted)}: {error}"
        return
    for part, (target, made) in enumerate(pairs):
        if target not in targets:
            yield f"{name} {list(shape)} belongs into {target}, which the model does not have"
        elif made != tuple(targets[target]):
            yield f"{name} {list(shape)} gives {list(made)}, but {target} is {list(targets[target])}"
        elif target in found.sources:
            yield f"{name} and {found.sources[target].name} both fill {target}"
        if target not in found.sources:  # a wrong one is complained about once, not also as missing
            found.sources[target] = Source(name, rule.change, part)
    note = f" ({rule.note})" if rule.note else ""
    found.lines.append(f"{name} {list(shape)} -> {', '.join(target for target, _ in pairs)}{note}")
