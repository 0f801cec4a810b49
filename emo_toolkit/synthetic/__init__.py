"""Drawn faces whose truth is exact: seed -> FaceSpec -> FaceRenderer -> picture and FaceTruth -> captions.

Geometry, expression units and skins are CC0 (assets/faces_cc0.NOTICE); everything else is computed here, on a CPU.
"""

from .renderer import DrawnFace, FaceRenderer
from .sampler import FACTORS, sample_expression, sample_identity, sample_scene, sample_spec
from .specs import Expression, FaceSpec, Identity, Scene
from .twins import twin_grid

__all__ = [
    "FACTORS",
    "DrawnFace",
    "Expression",
    "FaceRenderer",
    "FaceSpec",
    "Identity",
    "Scene",
    "sample_expression",
    "sample_identity",
    "sample_scene",
    "sample_spec",
    "twin_grid",
]
