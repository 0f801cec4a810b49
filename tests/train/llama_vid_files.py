"""LLaMA-VID and InstructBLIP folders as the Hub serves them, with random tensors a few units wide."""

import dataclasses
import json
from pathlib import Path

import torch
from llama_vid_reference import SMALL, Sizes, State, instructblip_shapes, llama_vid_shapes, random_state
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

FIM = {"prior_size": 6, "num_prior_tokens": 9, "num_attention_heads": 4, "clue_hidden_size": 16, "clue_num_heads": 2}
FIM |= {"clue_num_layers": 1, "clue_intermediate_size": 24, "num_clue_queries": 4}


def llama_vid_config(s: Sizes = SMALL) -> dict:
    return {
        "model_type": "llava",
        "architectures": ["LlavaLlamaAttForCausalLM"],
        "vocab_size": s.words,
        "hidden_size": s.text,
        "intermediate_size": s.text_inner,
        "num_hidden_layers": s.text_layers,
        "num_attention_heads": s.text_heads,
        "rms_norm_eps": 1e-05,
        "max_position_embeddings": 4096,
        "rope_scaling": None,
        "compress_type": "mean",
        "bert_type": "qformer_pretrain",
        "mm_hidden_size": s.vision,
    }


def instructblip_config(s: Sizes = SMALL) -> dict:
    vision = {"hidden_size": s.vision, "intermediate_size": s.vision_inner, "num_hidden_layers": s.vision_layers}
    vision |= {"num_attention_heads": s.vision_heads, "image_size": s.image, "patch_size": s.patch}
    bert = {"vocab_size": s.bert_words, "hidden_size": s.bert, "intermediate_size": s.bert_inner}
    bert |= {"num_hidden_layers": s.bert_layers, "num_attention_heads": s.bert_heads}
    bert |= {"max_position_embeddings": s.places, "encoder_hidden_size": s.vision}
    return {
        "model_type": "instructblip",
        "vision_config": vision,
        "qformer_config": bert,
        "num_query_tokens": s.queries,
    }


def tokenizer(words: list[str], **special: str) -> PreTrainedTokenizerFast:
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token=words[0]))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token=words[0], **special)


@dataclasses.dataclass(frozen=True)
class Sources:
    llama_vid: Path
    instructblip: Path
    vid: State
    blip: State


def write_sources(room: Path, *, qformer: bool = True, vid: State | None = None, blip: State | None = None) -> Sources:
    """Both folders as the Hub serves them: two `.bin` shards with an index, and one safetensors file."""
    vid = random_state(llama_vid_shapes(SMALL, qformer=qformer), 0) if vid is None else vid
    blip = random_state(instructblip_shapes(SMALL), 1) if blip is None else blip
    folders = (room / "llama-vid", room / "instructblip")
    for folder, config in zip(folders, (llama_vid_config(), instructblip_config()), strict=True):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
    names = sorted(vid)
    places = {name: f"pytorch_model-0000{1 + (n >= len(names) // 2)}-of-00002.bin" for n, name in enumerate(names)}
    for file in set(places.values()):
        torch.save({name: vid[name] for name in names if places[name] == file}, folders[0] / file)
    (folders[0] / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    torch.save({"an": "argument"}, folders[0] / "training_args.bin")  # lies beside, and is not read
    save_file(blip, folders[1] / "model.safetensors", metadata={"format": "pt"})
    llama = ["<unk>", "<s>", "</s>", *["the", "face", "is", "shown", "what", "happy", "sad", "USER", "ASSISTANT"]][
        : SMALL.words
    ]
    tokenizer(llama, bos_token="<s>", eos_token="</s>").save_pretrained(folders[0])
    bert = tokenizer(["[UNK]", "[PAD]", "what", "is", "the", "face", "happy", "sad", "shown"], pad_token="[PAD]")
    bert.save_pretrained(folders[1] / "qformer_tokenizer")
    return Sources(*folders, vid, blip)
