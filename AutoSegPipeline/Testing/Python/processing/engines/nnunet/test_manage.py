"""What the program for models does with a request that it does not understand."""

from __future__ import annotations

from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.engines.nnunet.manage import answer


def test_a_field_that_nobody_knows_is_refused_and_not_ignored(tmp_path: Path) -> None:
    request = {"do": "add", "place": str(tmp_path), "source": str(tmp_path / "no.zip"), "fold": ["0"]}
    with pytest.raises(PipelineError, match=r"add has no field 'fold'.*folds"):
        answer(request)
    with pytest.raises(PipelineError) as caught:
        answer({**request, "fold": [], "title": "Teeth"})  # what is empty says nothing
    assert caught.value.code == "input.missing"
