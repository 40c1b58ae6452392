"""Hints for the place where a person reads them: a terminal, the web page, or Slicer's panel.

The table of errors names commands, which help on a terminal only. Here each of those hints names the action
that the page or the panel offers instead. A job keeps the terminal's words; what shows it asks here.
"""

from __future__ import annotations

import re

from .errors import CODES

TERMINAL, PAGE, PANEL = "terminal", "page", "panel"
PLACES = (TERMINAL, PAGE, PANEL)

# code -> what to do on the page, what to do in the panel.
_ELSEWHERE: dict[str, tuple[str, str]] = {
    "input.label_map": (
        "This is a segmentation, not a scan; choose Segmentations or Automatic above and upload it alone.",
        "This is a segmentation, not a scan; turn it into 3D with logic.export(path) in the Python console.",
    ),
    "input.not_labels": (
        "Upload a label map, integers with 0 for background; for a scan choose Scans or Automatic above.",
        "Give a label map, integers with 0 for background; add a scan with Add files.",
    ),
    "dicom.no_segmentation_reader": (
        "Save the segmentation as NRRD or NIfTI and upload that, or ask the administrator to install "
        "highdicom.",
        'Press "Install..." under "Installed and downloaded", stop and start the pipeline, and add it again.',
    ),
    "options.old_rules": (
        "rules.json is invalid, so the previous rules stay in force; ask the administrator to correct it.",
        "rules.json in the home folder is invalid, so the previous rules stay in force; correct it.",
    ),
    "engine.unknown": (
        "Choose one of the engines listed under Options.",
        "Choose one of the engines listed under How scans are processed.",
    ),
    "engine.not_available": (
        "Choose another engine under Options, or ask the administrator to install what is missing.",
        "The section Installed and downloaded shows what the engine lacks.",
    ),
    "engine.task_unknown": (
        "Choose one of the tasks listed under Options.",
        "Choose one of the tasks listed under How scans are processed.",
    ),
    "export.no_names": (
        "Upload a table value,name[,color] together with the label map, under the same name.",
        "Put a table value,name[,color] beside the label map, under the same name.",
    ),
    "engine.channel_missing": (
        "Upload every channel of one scan together, or ask the administrator to add the model with patterns.",
        "Add every channel of one scan together; DICOM series are found if the model has patterns for them.",
    ),
    "model.exists": (
        "Give another name, or tick Replace under More.",
        "Give another name, or remove the model of this name first.",
    ),
    "worker.not_started": (
        "Ask the administrator to check the installation of the server.",
        "The section Installed and downloaded and the job's log show why.",
    ),
    "job.cancelled": (
        "It was cancelled on request; Try again runs it again.",
        "It was cancelled on request; Retry runs it again.",
    ),
    "environment.network_state": (
        "Ask the administrator to put the server's state on a local disk.",
        "Choose a home folder on a local disk.",
    ),
    "environment.locked": (
        "Another pipeline uses this home; ask the administrator to stop one of them.",
        "Stop the other pipeline first, or choose another home folder.",
    ),
    "environment.gpu_gone": (
        "Ask the administrator to repair the GPU or its driver; the pipeline resumes by itself.",
        "Repair the GPU or its driver; the pipeline looks for it and resumes by itself. Resume continues "
        "without it: device=auto then computes on the CPU.",
    ),
    "request.unknown_job": ("See the list of jobs.", "See the table of jobs."),
    "request.wrong_state": ("See the job's state in the list.", "See the job's state in the table."),
    "request.unknown_setting": (
        "Check the name; the API lists the options of a case under /api/v1/engines.",
        "Check the name; the section How scans are processed shows the options.",
    ),
    "request.no_pipeline": (
        "Ask the administrator to start the pipeline; the page continues by itself.",
        "Press Start watching.",
    ),
    "web.port_busy": (
        "Ask the administrator to choose another port.",
        "Stop the other program, or choose another port under Web server.",
    ),
    "web.cannot_bind": (
        "Ask the administrator to correct the settings host and port.",
        "Correct the settings host and port.",
    ),
    "web.certificate": (
        "Ask the administrator to correct the settings tls_cert and tls_key.",
        "Correct the settings tls_cert and tls_key.",
    ),
    "web.packages_missing": (
        "Ask the administrator to install the packages named.",
        "Press Install... in the section Installed and downloaded.",
    ),
    "pacs.unknown_peer": (
        "Choose one of the archives on the page PACS.",
        "Choose a peer of dicom.json; the section Advanced lists them.",
    ),
    "pacs.no_answer": (
        "The page PACS shows how the archive is; it may be slow or away.",
        "The section Advanced shows how the peer is; it may be slow or away.",
    ),
    "pacs.gave_up": (
        "When the archive takes objects again: Send again on the page PACS.",
        "When the peer takes objects again, send them once more from the web page or a terminal.",
    ),
    "engine.declaration_invalid": (
        "Ask the administrator to correct engines.json.",
        "Correct engines.json in the home folder.",
    ),
    "web.exposed": (
        "Ask the administrator to create an account and to set up TLS.",
        "Create an account and set tls_cert and tls_key, or listen on this machine only (host 127.0.0.1).",
    ),
    "web.wrong_host": (
        "Use an address that the server knows: its own, or one in the setting server_names.",
        "Use an address that the server knows: its own, or one in the setting server_names.",
    ),
    "account.wrong": (
        "Check name and password; an administrator can set a new password.",
        "Check name and password; an administrator can set a new password.",
    ),
    "account.unknown": (
        "Check the name; an admin sees the list of accounts.",
        "Check the name; an admin sees the list of accounts.",
    ),
}  # fmt: skip
# What the command line asks for by a flag, the page's form for models has as a field.
_FIELDS = {
    r"with --trainer (\w+)": r"with \1 in the field Trainer under More",
    "with --checkpoint": "in the field Checkpoint under More",
    "with --configuration": "in the field Configuration under More",
}
_COMMAND = re.compile(r"\bautoseg [a-z]|(?<![\w-])--?[a-z][a-z-]*|autoseg\.py")


def names_a_command(text: str) -> bool:
    """Whether ``text`` tells its reader to type something on a terminal."""
    return bool(_COMMAND.search(text))


def hint_at(place: str, code: str, hint: str) -> str:
    """``hint`` of an error with ``code``, as it helps somebody at ``place``.

    A hint of its own that names a command, for which no other words are known, says in the panel where to
    type it; the page names the administrator.
    """
    if place == TERMINAL or not names_a_command(hint):
        return hint
    if code in _ELSEWHERE and hint == CODES.get(code):
        return _ELSEWHERE[code][0 if place == PAGE else 1]
    if place == PAGE and code.startswith("model."):
        for flag, field in _FIELDS.items():
            hint = re.sub(flag, field, hint)
        if not names_a_command(hint):
            return hint
    if place == PAGE:  # whoever reads it need not have a terminal there
        return f"Ask the administrator of this server, and give the code {code}."
    return f"On a terminal of this machine: {hint}"


def joined(*texts: str) -> str:
    """``texts`` as sentences of one paragraph: messages have no full stop, hints have one."""
    said = [text.strip() for text in texts if text.strip()]
    ended = [text if text[-1] in ".!?:" else f"{text}." for text in said[:-1]]
    return " ".join([*ended, *said[-1:]])


def error_at(place: str, error: dict[str, str] | None) -> dict[str, str] | None:
    """``error`` of a job (``code``, ``message``, ``hint``) with the hint for ``place``."""
    if not error:
        return error
    return {**error, "hint": hint_at(place, error.get("code", ""), error.get("hint", ""))}
