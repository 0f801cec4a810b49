"""Exercises of notebook 03."""

import numpy as np

from .exercise import Exercise, close


def _softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(scores)
    return powers / powers.sum(axis, keepdims=True)


def is_attention(function: object) -> bool:
    """Rows of softmax(q k^T / sqrt(d)) for unlike numbers of queries and keys."""
    rng = np.random.default_rng(3)
    queries, keys = rng.normal(size=(3, 16)), rng.normal(size=(5, 16))
    found = np.asarray(function(queries, keys), float)
    return found.shape == (3, 5) and np.allclose(found, _softmax(queries @ keys.T / 4, 1), atol=1e-6)


def is_strength(function: object) -> bool:
    """|tanh(g) a| / (|tanh(g) a| + |x|), also for a closed and for a negative gate."""
    x, attended = np.array([3.0, 4.0, 0.0]), np.array([0.0, 2.0, 1.5])
    for gate in (0.0, 0.9, -0.5):
        brought = abs(np.tanh(gate)) * 2.5
        if not np.isclose(function(x, attended, gate), brought / (brought + 5.0)):
            return False
    return True


EXERCISES = {
    "3.1": Exercise(
        right=is_attention,
        why="Each query shares out exactly 1. So a row always points somewhere, even if nothing fits the query.",
        hint="Scores first, (R, K); divide them by the root of d; then each *row* of the powers is shared out to 1.",
        wrong=(
            lambda q, k: q @ k.T / np.sqrt(q.shape[1]),
            lambda q, k: _softmax(q @ k.T, 1),
            lambda q, k: _softmax(q @ k.T / np.sqrt(q.shape[1]), 0),
            lambda q, k: _softmax(q @ k.T / q.shape[1], 1),
            lambda q, k: _softmax(q @ k.T / np.sqrt(len(k)), 1),
        ),
    ),
    "3.2": Exercise(
        right=is_strength,
        why="With a closed gate the strength is 0 and the map drawn with it is dark, whatever its weights say.",
        hint="The gate is squeezed by tanh first; then two lengths (`np.linalg.norm`), and a share between 0 and 1.",
        wrong=(
            lambda x, attended, gate: np.linalg.norm(attended) / (np.linalg.norm(attended) + np.linalg.norm(x)),
            lambda x, attended, gate: abs(gate) * 2.5 / (abs(gate) * 2.5 + np.linalg.norm(x)),
            lambda x, attended, gate: np.linalg.norm(np.tanh(gate) * attended) / np.linalg.norm(x),
            lambda x, attended, gate: np.tanh(gate) * 2.5 / (np.tanh(gate) * 2.5 + np.linalg.norm(x)),
            0.5,
        ),
    ),
    "3.3": Exercise(
        right=close(2),
        why="Context and content: both face tokens are the content token again; no prior reaches the language model.",
        hint="What is content + 0? Count tokens that differ, or let `frame_tokens` show it.",
        wrong=(1, 3, 4),
    ),
}
