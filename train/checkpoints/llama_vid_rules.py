"""Where each tensor of LLaMA-VID and InstructBLIP goes in EMO-LLaMA: the rules of convert_llama_vid.py.

Source names begin with `llama_vid:` or `instructblip:`, the folder that they come from.
"""

import torch

from train.checkpoints.key_map import Rule


def rules(*, own_qformer: bool) -> list[Rule]:
    """Where each form of tensor goes; names begin with `llama_vid:` or `instructblip:`.

    Args:
        own_qformer: LLaMA-VID's files hold a Q-Former, its norm and its queries.
    """

    grown, bare = "a zero row added for <image>", r"llama_vid:model\."
    layer = r"(?:self_attn\.[qkvo]_proj|mlp\.(?:gate|up|down)_proj|(?:input|post_attention)_layernorm)"
    eva, blip = (
        "EVA-g is taken from InstructBLIP; it is frozen in both",
        "only the vision side is taken from InstructBLIP",
    )
    found = [
        Rule(rf"{bare}embed_tokens\.weight", ("language_model.embed_tokens.weight",), grown, grow),
        Rule(r"llama_vid:lm_head\.weight", ("lm_head.weight",), grown, grow),
        Rule(rf"{bare}(layers\.\d+\.{layer}\.weight)", (r"language_model.\1",)),
        Rule(rf"{bare}norm\.weight", ("language_model.norm.weight",)),
        Rule(rf"{bare}layers\.\d+\.self_attn\.rotary_emb\.inv_freq", note="a constant of the configuration"),
        Rule(rf"{bare}mm_projector\.([02])\.(\w+)", (r"multi_modal_projector.content_proj.\1.\2",)),
        Rule(rf"{bare}vlm_att_projector\.(\w+)", (r"multi_modal_projector.query_proj.\1",)),
        Rule(rf"{bare}vlm_att_key_projector\.(\w+)", (r"multi_modal_projector.key_proj.\1",)),
        Rule(rf"{bare}vlm_att_val_projector\.(\w+)", (r"multi_modal_projector.context_proj.\1",)),
        Rule(rf"{bare}vision_tower\..+", note=eva),
        Rule(r"instructblip:vision_model\.((?!post_layernorm).+)", (r"vision_tower.\1",)),
        Rule(r"instructblip:(?:language_model|language_projection)\..+", note=blip),
        Rule(r"instructblip:qformer\.embeddings\.position_ids", note="a constant"),
    ]
    return found + (own_qformer_rules() if own_qformer else borrowed_qformer_rules())


def grow(tensor: torch.Tensor) -> tuple[torch.Tensor]:
    """(W, D) -> (W + 1, D): a zero row for `<image>`, which frame tokens take the place of."""
    return (torch.cat([tensor, tensor.new_zeros(1, tensor.shape[1])]),)


def own_qformer_rules() -> list[Rule]:
    """The Q-Former, its norm and its queries from LLaMA-VID, in the names of BERT as LAVIS writes it."""
    bert, mine = r"llama_vid:model\.vlm_att_encoder\.bert\.", "LLaMA-VID has its own, trained further"
    joints = r"attention\.output|crossattention\.output|intermediate|output|intermediate_query|output_query"
    return [
        Rule(rf"{bert}embeddings\.(word|position)_embeddings\.weight", (r"qformer.embeddings.\1_embeddings.weight",)),
        Rule(rf"{bert}embeddings\.LayerNorm\.(\w+)", (r"qformer.embeddings.layernorm.\1",)),
        Rule(rf"{bert}embeddings\.position_ids", note="a constant"),
        Rule(
            rf"{bert}encoder\.layer\.(\d+)\.(attention|crossattention)\.self\.(query|key|value)\.(\w+)",
            (r"qformer.encoder.layer.\1.\2.attention.\3.\4",),
        ),
        Rule(
            rf"{bert}encoder\.layer\.(\d+)\.({joints})\.(dense|LayerNorm)\.(\w+)",
            (r"qformer.encoder.layer.\1.\2.\3.\4",),
        ),
        Rule(r"llama_vid:model\.vlm_att_query", ("query_tokens.weight",), "as rows", first_of_batch),
        Rule(r"llama_vid:model\.vlm_att_ln\.(\w+)", (r"qformer_norm.\1",)),
        Rule(r"instructblip:qformer\.(?!embeddings\.position_ids).+", note=mine),
        Rule(r"instructblip:query_tokens", note=mine),
        Rule(r"instructblip:vision_model\.(post_layernorm\.\w+)", (r"vision_tower.\1",), "7b reads EVA-g before it"),
    ]


def borrowed_qformer_rules() -> list[Rule]:
    """The Q-Former from InstructBLIP; its norm of the vision features plays LLaMA-VID's `vlm_att_ln`."""
    norms = (r"vision_tower.post_layernorm.\1", r"qformer_norm.\1")
    return [
        Rule(r"instructblip:qformer\.((?!embeddings\.position_ids).+)", (r"qformer.\1",), "LLaMA-VID holds none"),
        Rule(r"instructblip:query_tokens", ("query_tokens.weight",), "as rows", first_of_batch),
        Rule(r"instructblip:vision_model\.post_layernorm\.(\w+)", norms, "twice", lambda tensor: (tensor, tensor)),
    ]


def first_of_batch(tensor: torch.Tensor) -> tuple[torch.Tensor]:
    """(1, Q, H) -> (Q, H)."""
    return (tensor.squeeze(0),)
