"""Rows read under SDPA are eager's rows, cost the answer not a bit, and leave the model as it was."""

import threading

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from emo_toolkit.explain.rows import RowCapture
from emo_toolkit.schema import EmoPrompt

PROMPT, NEW = 24, 5


@pytest.fixture(scope="module", params=[4, 2, 1], ids=["all heads", "grouped", "one key head"])
def llama(request) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=request.param,
        vocab_size=120,
        initializer_range=0.2,  # loud, so that attention is far from even
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config).eval()


def eager_rows(model: LlamaForCausalLM, ids: torch.Tensor, mask: torch.Tensor, positions: list[int]) -> np.ndarray:
    """(B, R, layers, heads, S) of the whole sequence at once, with every matrix."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = model(ids, attention_mask=mask, output_attentions=True).attentions
    model.set_attn_implementation("sdpa")
    return torch.stack(attentions, 1)[:, :, :, positions].permute(0, 3, 1, 2, 4).numpy()


@torch.no_grad()
def written(model: LlamaForCausalLM, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return model.generate(ids, attention_mask=mask, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False)


@pytest.mark.parametrize("padded", [0, 7])
def test_rows_of_prefill_and_of_decoding_equal_eager(llama, padded):
    ids = torch.randint(3, 120, (2, PROMPT), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, :padded] = 0
    plain = written(llama, ids, mask)
    with RowCapture(llama.model, positions=[9, 17], onward=PROMPT - 1) as capture:
        captured = written(llama, ids, mask)
    assert torch.equal(plain, captured)
    positions = [9, 17, *range(PROMPT - 1, PROMPT + NEW - 1)]
    whole = torch.cat([mask, mask.new_ones(2, NEW - 1)], 1)
    expected = eager_rows(llama, plain[:, :-1], whole, positions)
    for member in (0, 1):
        rows = capture.rows(positions, batch=member)
        assert rows.shape == expected[member].shape and rows.dtype == np.float32
        np.testing.assert_allclose(rows, expected[member], atol=1e-5)
        np.testing.assert_allclose(rows.sum(-1), 1, atol=1e-5)
    assert not capture.rows([9], batch=0)[..., :padded].any()  # padding is never looked at
    assert capture.nbytes == 4 * 2 * 3 * 4 * (3 * PROMPT + sum(range(PROMPT + 1, PROMPT + NEW)))


def test_rows_of_tiny_equal_eager(tiny_pipeline, astronaut):
    reading = tiny_pipeline.read(astronaut)
    _, batch = tiny_pipeline.inputs([reading], [EmoPrompt()])
    model, length = tiny_pipeline.model, batch["input_ids"].shape[1]
    with torch.no_grad(), RowCapture(model.language_model, positions=range(length)) as capture:
        plain = model(**batch).logits
    model.language_model.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = torch.stack(
            model.language_model(inputs_embeds=_embeds(model, batch), output_attentions=True).attentions
        )
    model.language_model.set_attn_implementation("sdpa")
    expected = attentions[:, 0].permute(2, 0, 1, 3).numpy()
    np.testing.assert_allclose(capture.rows(range(length)), expected, atol=1e-5)
    with torch.no_grad():
        assert torch.equal(plain, model(**batch).logits)


def _embeds(model, batch):
    tokens, _ = model.get_real_frame_tokens(
        **{name: batch[name] for name in batch if name.startswith(("face", "guide", "frame", "pixel"))}
    )
    return model._fill(batch["input_ids"], model.get_input_embeddings()(batch["input_ids"]), tokens)


def test_released_after_an_exception(llama):
    ids = torch.arange(3, 13).unsqueeze(0)
    capture = RowCapture(llama.model, positions=[5])
    with pytest.raises(RuntimeError, match="stop"), capture, torch.no_grad():
        llama(ids)
        raise RuntimeError("stop")
    assert llama.config._attn_implementation == "sdpa" and capture.nbytes == 0
    with torch.no_grad():
        llama(ids)  # nobody watches any more
    assert capture.nbytes == 0
    with pytest.raises(KeyError):
        capture.rows([5])
    with capture, torch.no_grad():
        llama(ids)
    assert capture.rows([5]).shape == (1, 3, 4, 6)


def test_another_thread_is_not_watched(llama):
    ids = torch.arange(3, 13).unsqueeze(0)
    with RowCapture(llama.model, positions=[5]) as capture:
        thread = threading.Thread(target=lambda: llama(ids))
        thread.start()
        thread.join()
    assert capture.nbytes == 0


def test_two_threads_capture_one_after_the_other(llama):
    many = [torch.randint(3, 120, (1, 12), generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    found: dict[int, np.ndarray] = {}

    def look(place: int) -> None:
        with torch.no_grad(), RowCapture(llama.model, positions=[11]) as capture:
            llama(many[place])
        found[place] = capture.rows([11])

    threads = [threading.Thread(target=look, args=(place,)) for place in range(len(many))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert llama.config._attn_implementation == "sdpa"
    for place, ids in enumerate(many):
        np.testing.assert_allclose(found[place], eager_rows(llama, ids, torch.ones_like(ids), [11])[0], atol=1e-5)


def test_a_model_under_eager_is_refused(llama):
    llama.set_attn_implementation("eager")
    with pytest.raises(ValueError, match="eager"), RowCapture(llama.model, positions=[0]):
        pass
    llama.set_attn_implementation("sdpa")
