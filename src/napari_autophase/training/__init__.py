"""Simulated crystals, losses and the training loop; imported by nothing but the command line."""

from .config import TrainingConfig
from .trainer import Trainer

__all__ = ["Trainer", "TrainingConfig"]
