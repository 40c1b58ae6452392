"""What nnU-Net itself predicts with the tiny models, by the functions behind ``nnUNetv2_predict``.

``python tiny_reference.py RESULTS INPUTS OUTPUTS [KIND ...]``: each ``INPUTS/KIND`` is a folder as
``nnUNetv2_predict -i`` takes it. One process does them all, as importing torch takes longer than they do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Optional

import tiny_models


def predict(folder: Path, kind: Any, source: Path, target: Path, before: Optional[Path], quick: str) -> None:
    """``nnUNetv2_predict_from_modelfolder`` without its processes."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    step = {"": 0.5, "fast": 0.5, "fastest": 0.8}[quick]
    predictor = nnUNetPredictor(step, True, not quick, True, torch.device("cpu"), allow_tqdm=False)
    folds = [fold if fold == "all" else int(fold) for fold in kind.folds]
    predictor.initialize_from_trained_model_folder(
        str(folder), folds[:1] if quick else folds, kind.checkpoint
    )
    target.mkdir(parents=True)
    predictor.predict_from_files_sequential(
        str(source), str(target), folder_with_segs_from_prev_stage=None if before is None else str(before)
    )


def main(results: Path, inputs: Path, outputs: Path, names: list[str]) -> None:
    """Predict for every kind that has an input, or for ``names``; ``kind:fast`` in that quality."""
    for word in names or [kind.name for kind in tiny_models.KINDS]:
        name, _, quick = word.partition(":")
        kind = tiny_models.BY_NAME[name]
        before = None
        for configuration in kind.configurations:
            folder = results / kind.dataset / f"{tiny_models.TRAINER}__nnUNetPlans__{configuration}"
            target = outputs / (name + ("-" + quick if quick else "")) / configuration
            predict(folder, kind, inputs / name, target, before, quick)
            before = target


if __name__ == "__main__":
    main(*(Path(one) for one in sys.argv[1:4]), sys.argv[4:])
