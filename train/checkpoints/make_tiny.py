"""Writes `tiny`: EMO-LLaMA with random weights and about 285 k parameters, for tests of plumbing only.

    python train/checkpoints/make_tiny.py OUT [--seed 0]

It is the real class with real file names; no user ever meets it, because its answers mean nothing.
"""

import argparse
import copy
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from emo_toolkit.labels import LABELS
from emo_toolkit.model import IMAGE_TOKEN, EmoLlamaConfig, EmoLlamaForConditionalGeneration, EmoLlamaProcessor
from emo_toolkit.prompts import CATEGORY_QUESTION

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{{ '<image>\n' if part['type'] == 'image' else part['text'] }}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE over a few sentences of the house: 384 entries, ChatML markers, `<image>`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    markers = ["<pad>", "<|im_start|>", "<|im_end|>", IMAGE_TOKEN]
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=markers,
        show_progress=False,
    )
    sentences = [CATEGORY_QUESTION.format(kind="image", options=", ".join(labels)) for labels in LABELS.values()]
    tokenizer.train_from_iterator(sentences, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<pad>",
        additional_special_tokens=[IMAGE_TOKEN],
        model_max_length=1024,
    )


def make_config(tokenizer: PreTrainedTokenizerFast, *, prior_size: int = 1536) -> EmoLlamaConfig:
    """The shapes of `tiny`; `prior_size` is the embedded analyser's, so that the real face wing feeds it."""
    return EmoLlamaConfig(
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "tie_word_embeddings": True,
        },
        vision_config={
            "model_type": "dinov2",
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "mlp_ratio": 2,
            "image_size": 56,
            "patch_size": 14,
        },
        qformer_config={
            "vocab_size": 1,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "encoder_hidden_size": 32,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        fim_config={
            "prior_size": prior_size,
            "summary_size": 16,
            "num_prior_tokens": 49,
            "hidden_size": 32,
            "num_attention_heads": 4,
            "clue_hidden_size": 32,
            "clue_num_layers": 2,
            "clue_num_heads": 4,
            "clue_intermediate_size": 64,
            "num_clue_queries": 8,
        },
        vision_feature_layer=None,
        qformer_shares_embeddings=True,
        num_query_tokens=8,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        tie_word_embeddings=True,
    )


def make_tiny(folder: Path, *, seed: int = 0, open_gates: bool = True) -> Path:
    """Writes the checkpoint folder. `open_gates` lets the priors matter, as they do after training."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    config = make_config(tokenizer)
    model = EmoLlamaForConditionalGeneration(config)
    if open_gates:
        fim = model.face_info_mining
        for gate in (fim.clue_gates, fim.global_branch.attention.gate, fim.local_branch.attention.gate):
            torch.nn.init.constant_(gate, 0.5)
    image_processor = CLIPImageProcessorPil(size={"height": 56, "width": 56}, do_center_crop=False)
    processor = EmoLlamaProcessor(
        image_processor,
        tokenizer,
        copy.deepcopy(tokenizer),
        tokens_per_frame=config.tokens_per_frame,
        num_frames=4,
        chat_template=CHAT_TEMPLATE,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"tiny written to {make_tiny(arguments.out, seed=arguments.seed)}")
