"""How likely whole answers are: all of them side by side in one row behind a prompt, each seeing it and itself.

token ids of L answers -> one row of T tokens -> one forward pass behind a key-value cache -> log p (B, L).
"""

from collections.abc import Sequence

import torch


class PackedAnswers:
    """L answers as one row: the tokens of each but its last, which nothing follows, one answer after the other.

    Args:
        answers: token ids of each answer with its end-of-turn token.
    """

    def __init__(self, answers: Sequence[Sequence[int]]) -> None:
        fed = [list(answer[:-1]) for answer in answers]
        starts = [sum(map(len, fed[:place])) for place in range(len(fed))]
        self.ids = [token for answer in fed for token in answer]  # (T,)
        self.count = len(answers)
        self._depth = torch.tensor([place for answer in fed for place in range(len(answer))], dtype=torch.long)
        owner = torch.tensor([number for number, answer in enumerate(fed) for _ in answer])
        self._sees = (owner[:, None] == owner) & (self._depth[:, None] >= self._depth)  # (T, T)
        # Of every token of every answer: whose it is, which it is, and which row of logits says it (0: the prompt's).
        self._owner = torch.tensor([number for number, answer in enumerate(answers) for _ in answer])
        self._target = torch.tensor([token for answer in answers for token in answer])
        self._source = torch.tensor(
            [start + place if place else 0 for start, answer in zip(starts, answers, strict=True)
             for place in range(len(answer))]
        )  # fmt: skip

    def behind(
        self, seen: torch.Tensor, tails: Sequence[Sequence[int]], *, pad: int, dtype: torch.dtype
    ) -> dict[str, torch.Tensor]:
        """Inputs of the model behind a cache of B prompts: the rest of each prompt, then all answers.

        Rests of unlike length end at the same place; what fills them up on the left is seen by nobody.

        Args:
            seen: (B, P) the attention mask of what is in the cache.
            tails: B lists of token ids that follow; empty ones when the cache holds the whole prompts.
            pad: any token.
            dtype: the model's.
        """
        width, device = max(map(len, tails)), seen.device
        ids = [[pad] * (width - len(tail)) + [*tail, *self.ids] for tail in tails]
        length = torch.tensor([[len(tail)] for tail in tails])  # (B, 1)
        column = torch.arange(width)
        own = torch.ones(width + len(self.ids), width + len(self.ids), dtype=torch.bool).tril()
        own[width:, width:] = self._sees
        real = torch.cat([column >= width - length, torch.ones(len(tails), len(self.ids), dtype=torch.bool)], dim=1)
        sees = (own & real[:, None]).to(device)  # (B, W + T, W + T)
        before = seen.bool()[:, None].expand(-1, sees.shape[1], -1)
        hidden = torch.cat([before, sees], dim=2).logical_not()[:, None]  # (B, 1, W + T, P + W + T)
        place = torch.cat([(column - width + length).clamp(min=0), length + self._depth], dim=1)  # (B, W + T)
        return {
            "input_ids": torch.tensor(ids, device=device),
            "attention_mask": hidden.to(dtype).masked_fill(hidden, torch.finfo(dtype).min),
            "position_ids": (seen.shape[1] + place).to(device),
        }

    def log_likelihoods(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1 + T, V) of the prompt's last token and of the row -> log p (B, L) of each whole answer."""
        logits = logits.float()
        owner, target, source = (index.to(logits.device) for index in (self._owner, self._target, self._source))
        each = logits[:, source, target] - logits.logsumexp(-1)[:, source]
        return logits.new_zeros(len(logits), self.count).index_add_(1, owner, each)
