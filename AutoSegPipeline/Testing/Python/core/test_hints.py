"""A hint names what its reader can do where they are."""

from __future__ import annotations

import pytest
from AutoSegPipelineLib.core.errors import CODES, PipelineError
from AutoSegPipelineLib.core.hints import (
    PAGE,
    PANEL,
    PLACES,
    TERMINAL,
    error_at,
    hint_at,
    joined,
    names_a_command,
)

WITH_COMMANDS = sorted(code for code, hint in CODES.items() if names_a_command(hint))


def test_there_are_hints_that_name_commands() -> None:
    assert {"request.no_pipeline", "web.exposed", "engine.unknown"} <= set(WITH_COMMANDS)


@pytest.mark.parametrize("place", [PAGE, PANEL])
def test_no_hint_of_the_table_names_a_command_away_from_the_terminal(place: str) -> None:
    shown = {code: hint_at(place, code, hint) for code, hint in CODES.items()}
    assert [code for code, hint in shown.items() if names_a_command(hint) or not hint] == []


@pytest.mark.parametrize("code", WITH_COMMANDS)
def test_a_terminal_keeps_the_command(code: str) -> None:
    assert hint_at(TERMINAL, code, CODES[code]) == CODES[code]


@pytest.mark.parametrize("place", PLACES)
def test_a_hint_without_a_command_is_the_same_everywhere(place: str) -> None:
    assert hint_at(place, "input.empty", CODES["input.empty"]) == CODES["input.empty"]
    assert hint_at(place, "engine.unknown", "Choose a right-handed grid.") == "Choose a right-handed grid."


@pytest.mark.parametrize(
    "own", ["Run `autoseg doctor`.", "See autoseg list", "Add it with --replace.", "Run autoseg.py"]
)
@pytest.mark.parametrize("code", ["engine.failed", "model.invalid", "input.empty", "no.such_code"])
def test_the_page_never_names_a_command(code: str, own: str) -> None:
    assert not names_a_command(hint_at(PAGE, code, own))
    assert "autoseg" not in hint_at(PAGE, code, own)


def test_a_command_in_a_hint_of_its_own_says_where_to_type_it() -> None:
    own = "Run `autoseg weights list total`."
    shown = hint_at(PAGE, "engine.weights_missing", own)
    assert "administrator" in shown and "engine.weights_missing" in shown and "autoseg" not in shown
    assert hint_at(PANEL, "engine.weights_missing", own) == f"On a terminal of this machine: {own}"


def test_a_jobs_error_keeps_its_code_and_message() -> None:
    error = PipelineError("job.cancelled", "It was cancelled.").to_dict()
    shown = error_at(PAGE, error)
    assert shown is not None and "autoseg" not in shown["hint"] and "Try again" in shown["hint"]
    assert (shown["code"], shown["message"]) == ("job.cancelled", "It was cancelled.")
    assert "autoseg retry" in error["hint"]  # what the store holds stays as it is
    assert error_at(PAGE, None) is None


def test_a_flag_that_the_form_for_models_has_as_a_field_is_named_as_the_field() -> None:
    hint = "Name the checkpoint with --checkpoint, or finish the training."
    assert hint_at(TERMINAL, "model.invalid", hint) == hint
    wanted = "Name the checkpoint in the field Checkpoint under More, or finish the training."
    assert hint_at(PAGE, "model.invalid", hint) == wanted
    trainer = "add the model with --trainer nnUNetTrainer. Else"
    wanted = "add the model with nnUNetTrainer in the field Trainer under More. Else"
    assert hint_at(PAGE, "model.unsupported", trainer) == wanted
    assert hint_at(PAGE, "engine.failed", hint).startswith("Ask the administrator")
    assert hint_at(PANEL, "model.invalid", hint).startswith("On a terminal of this machine")


def test_message_and_hint_are_two_sentences() -> None:
    assert joined("gone.nii does not exist", "Check the path.") == "gone.nii does not exist. Check the path."
    assert joined("Is it there?", "", " Look. ") == "Is it there? Look."
    assert joined("", "Look.") == "Look." and joined("no hint", "") == "no hint" and joined() == ""
