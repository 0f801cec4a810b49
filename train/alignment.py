"""The loss of stage 1: frame tokens are drawn towards the language model's own embeddings of the label words.

With random projectors a language model ignores the visual tokens and learns the majority class. A cross-entropy over
the similarity of each frame token to the label words ends that, and leaves nothing behind at inference.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedTokenizerBase

from emo_toolkit.model import EmoLlamaForConditionalGeneration
from train.arguments import AlignArguments


def word_embeddings(
    model: EmoLlamaForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, words: Sequence[str]
) -> torch.Tensor:
    """(L, D) the input embedding of each word as it stands in a sentence, behind a space: there it is one token of
    the language model and carries its meaning. The mean is taken over a word of several tokens."""
    table = model.get_input_embeddings().weight.detach()
    return torch.stack(
        [table[tokenizer(f" {word}", add_special_tokens=False)["input_ids"]].float().mean(0) for word in words]
    )


def alignment_losses(
    tokens: torch.Tensor, words: torch.Tensor, targets: torch.Tensor, arguments: AlignArguments
) -> torch.Tensor:
    """(N,) cross-entropy of every frame token's similarity to the words, plus a pull towards the raters' mean word,
    which leaves no part of the token in directions that the words do not span; means over the tokens of a frame.

    Args:
        tokens: (N, K, D) frame tokens; words: (L, D); targets: (N, L), rows sum to 1.
    """
    log_p = (arguments.scale * similarity_to(tokens, words)).log_softmax(-1)
    similarity = -(targets.unsqueeze(1) * log_p).sum(-1).mean(1)
    distance = (tokens.float() - (targets @ words).unsqueeze(1)).square().sum(-1).mean(1)
    return similarity + arguments.pull * distance / words.square().sum(-1).mean()


def similarity_to(tokens: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Cosine (N, K, L) of tokens (N, K, D) and words (L, D), both seen from the words' mean: what tells the words
    apart counts, not what they share."""
    mean = words.mean(0)
    return F.normalize(tokens.float() - mean, dim=-1) @ F.normalize(words - mean, dim=-1).T


class Aligner(nn.Module):
    """Frame tokens of a batch and their alignment loss: the part of the model that stage 1 trains."""

    def __init__(
        self, model: EmoLlamaForConditionalGeneration, words: torch.Tensor, arguments: AlignArguments
    ) -> None:
        super().__init__()
        self.model = model
        self.arguments = arguments
        self.register_buffer("words", words, persistent=False)

    def forward(self, inputs: dict[str, torch.Tensor], targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """inputs of the processor with N real frames; targets (N, L) -> losses (N,) and scores (N, K, L)."""
        tokens = self.model.get_real_frame_tokens(**{name: inputs[name] for name in FRAME_AND_GUIDE})[0]
        return alignment_losses(tokens, self.words, targets, self.arguments), similarity_to(
            tokens.detach(), self.words
        )


FRAME_AND_GUIDE = (
    *("vision_features", "face_embeds", "face_landmarks", "face_found", "frame_mask"),
    *("guide_input_ids", "guide_attention_mask"),
)
