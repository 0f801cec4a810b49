"""Exercises of a notebook."""

from .exercise import Exercise

EXERCISES: dict[str, Exercise] = {}
