"""Users' own models, trained with nnU-Net: the store of models and the engine that runs them."""

from .engine import NnUnetEngine

__all__ = ["NnUnetEngine"]
