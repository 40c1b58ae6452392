"""Errors that carry a stable code, a message that names the file, and the way out.

Every code is a row of :data:`CODES`; a code that is no row cannot be raised.
``docs/errors.md`` is held against this table by a test.
"""

from __future__ import annotations

from typing import Any

# code -> what a person can do about it, used when the raiser has nothing better.
CODES: dict[str, str] = {
    # What came in cannot be taken (-> refused).
    "input.missing": "Check the path; nothing was found there.",
    "input.unreadable": "Check that the file's permissions let this user read it.",
    "input.empty": "The file has no bytes; copy it again from its source.",
    "input.unknown_format": "Give NIfTI, NRRD, MetaImage, DICOM or a .zip of these.",
    "input.truncated": "The file ends early; copy it again from its source.",
    "input.claims_too_much": "The header promises more voxels than the file holds; export it anew.",
    "input.corrupt": "The file's header or data cannot be read; export it anew.",
    "input.link": "Links are not followed; drop the file itself.",
    "input.external_data": "The data file must lie beside its header and be named without a path.",
    "input.missing_data_file": "Drop the header together with its data file, or as one .zip.",
    "input.two_dimensional": "A single slice has no depth; give a volume of several slices.",
    "input.four_dimensional": "Split the time series and give one volume.",
    "input.colour": "Colour pictures cannot be segmented; give the scan's intensities.",
    "input.non_finite": "The scan holds NaN or infinity; export it with finite intensities.",
    "input.constant": "Every voxel has the same value; check the export.",
    "input.bad_affine": "The axes are singular or sheared; resample onto a regular grid first.",
    "input.orientation_unstated": (
        "The file does not say which way is left. Say it with the option assume_orientation, "
        "for example assume_orientation=RAS, or export it anew with its orientation."
    ),
    "input.orientation_conflict": (
        "sform and qform disagree. Say which holds with assume_orientation=sform or "
        "assume_orientation=qform, or export it anew."
    ),
    "input.label_map": "This is a segmentation, not a scan; turn it into 3D with `autoseg export`.",
    "input.not_labels": "Give a label map, whole numbers with 0 for background; a scan is for `autoseg run`.",
    "input.own_output": "This is a result of this pipeline; it is not segmented again.",
    "input.too_large": "The scan is above the limit max_voxels; crop or resample it.",
    "input.too_thin": "Too few slices for a volume; see the option min_slices.",
    "input.nothing_inside": "No scan was found in the folder or archive.",
    "input.changed": "The file changed while it was taken in; drop it again when it is complete.",
    "dicom.not_an_image": "Reports, presentation states and the like have no voxels to segment.",
    "dicom.scout": "Localizers and scouts are not volumes; give the axial series.",
    "dicom.unsupported_modality": "Give a CT or MR series.",
    "dicom.two_patients": "One series UID holds two patients; send the studies anew.",
    "dicom.conflicting_instances": "Two different files share one SOP instance UID; send the series anew.",
    "dicom.late_slices": "What came before is purged or in an archive; drop all of its slices again.",
    "dicom.missing_slices": "Slices are missing from the series; send it again, whole.",
    "dicom.uneven_slices": "The slices were brought to even distances; check fine detail against the source.",
    "dicom.gantry_tilt": "The volume was straightened; check fine detail against the source.",
    "dicom.several_stacks": "One series held several volumes; each became a case of its own.",
    "dicom.conversion_failed": "The series could not be converted; the log has the converter's words.",
    "dicom.compressed": "The transfer syntax cannot be decoded here; send it uncompressed.",
    "archive.corrupt": "The archive cannot be read; pack it again.",
    "archive.encrypted": "The archive has a password; pack it again without one.",
    "archive.too_many_files": "The archive holds more files than the limit; pack fewer into each.",
    "archive.too_large": "The archive unpacks to more than the limit; pack less into each.",
    "archive.suspicious_ratio": "The archive's compression is implausible for a scan; it was not unpacked.",
    "archive.unsafe_path": "The archive names a path outside itself; pack it again.",
    "archive.nested": "An archive inside an archive is not unpacked; pack the scans directly.",
    "options.invalid": "Correct the options file or the option, then try again.",
    "options.unknown_key": "Correct the name of the option.",
    "options.unreadable": "The options file is not valid JSON; correct it.",
    "options.old_rules": "rules.json is wrong now; what it said before still holds. `autoseg rules check`.",
    "weights.invalid": "Give a released archive Dataset123_....zip or such a folder, whole.",
    # The case was taken but did not end well (-> failed).
    "engine.unknown": "`autoseg doctor` lists the engines.",
    "engine.not_available": "`autoseg doctor` says what the engine lacks.",
    "engine.wrong_modality": "Choose an engine or task for this modality.",
    "engine.implausible_intensity": "The intensities are not Hounsfield units; check the export's rescaling.",
    "engine.no_body": "No body was found in the scan; check that it shows a patient.",
    "engine.failed": "Look at the case's log for the engine's words.",
    "engine.no_memory": "Choose a lower quality, crop the scan, or use a machine with more memory.",
    "engine.task_unknown": "`autoseg doctor` lists the tasks of each engine.",
    "engine.structure_unknown": "Correct the structure's name.",
    "engine.quality_unknown": "Choose one of the qualities that the task has.",
    "engine.weights_missing": "Fetch the model's weights, or allow it with download_weights=true.",
    "engine.licence_needed": "Get a licence number from the engine's makers and set it, then try again.",
    "engine.needs_slicer": "Submit it in 3D Slicer's module, or choose another engine or exporter.",
    "engine.extension_missing": "Install the extension with Slicer's Extensions Manager and restart Slicer.",
    "engine.no_gpu": "Choose device=cpu or device=auto, or repair the GPU's driver or build of torch.",
    "export.empty": "The segmentation has no voxel of any structure.",
    "export.no_names": "Give a table `value,name[,color]` with --labels.",
    "export.bad_table": "Correct the table: a CSV with the columns value,name[,color].",
    "export.failed": "Look at the case's log; the scan itself was kept.",
    "export.verification": "A written file did not pass its check; look at the case's log.",
    "worker.vanished": "The worker ended without a word, often for lack of memory; see the log.",
    "worker.hung": "The worker made no progress for longer than hung_minutes; see the log.",
    "worker.protocol": "The worker spoke out of turn; see the log.",
    "worker.not_started": "The worker could not be started; `autoseg doctor` says why.",
    "pipeline.died": "The pipeline itself ended too often during this case; it is left alone now.",
    "pipeline.internal": "An error of this program; the log holds the traceback.",
    "job.cancelled": "It was cancelled on request; `autoseg retry` starts it again.",
    # The surroundings are at fault (-> the pipeline pauses, the case waits).
    "environment.disk_full": "Free space on the disk; the pipeline resumes by itself.",
    "environment.results_unreachable": "Make the results folder reachable and writable again.",
    "environment.home_unwritable": "Make the folder writable for this user.",
    "environment.network_state": "Put the state on a local disk with --state DIR.",
    "environment.locked": "Stop the other pipeline first, or use another --home.",
    "environment.nested_folders": "Choose folders that do not lie inside one another.",
    "environment.gpu_gone": (
        "Repair the GPU or its driver; the pipeline looks for it and resumes by itself. `autoseg resume` "
        "goes on without it: device=auto then computes on the CPU."
    ),
    # The caller is at fault.
    "request.unknown_job": "`autoseg list` shows the jobs.",
    "request.ambiguous_job": "Give more letters of the job's id.",
    "request.wrong_state": "Look at the job's state with `autoseg show`.",
    "request.unknown_setting": "`autoseg config show` lists the settings.",
    "request.invalid": "Correct the request.",
    "request.no_pipeline": "Start it with `autoseg serve`.",
    "request.not_found": "Check the address.",
    "request.method_not_allowed": "Use one of the methods in the answer's Allow header.",
    "request.too_large": "Send less at once, or have the limit raised in the settings.",
    "request.conflict": "Look at the present state and ask again.",
    "request.range_not_satisfiable": "Ask for a part that lies within the file.",
    # The web page and the HTTP API.
    "web.port_busy": "Stop the other program, or choose another port with --port.",
    "web.cannot_bind": "Correct --host and --port.",
    "web.certificate": "Correct --tls-cert and --tls-key.",
    "web.packages_missing": "Install what is named; `autoseg doctor` looks again.",
    "web.died": "It is started again by itself; the log holds its last words.",
    "web.internal": "An error of this program; the log holds the traceback.",
    "web.unavailable": "Try again in a moment.",
    "web.upload_busy": "Wait until the other request has ended, then ask how far the upload is.",
    "web.upload_checksum": "Send it again; something changed the bytes on their way.",
    "web.upload_incomplete": "Send what is missing, then finish the batch.",
    "web.upload_interrupted": "Send it again, or go on with a resumable upload where it stopped.",
    "web.upload_malformed": "Send a form as browsers and curl -F do, whole.",
    "web.upload_offset": "Ask with HEAD how far the upload is, and go on from there.",
    "web.upload_quota": "Wait until cases that you handed in are done, or have upload_quota_mb raised.",
    "web.upload_type": "Send the part as application/offset+octet-stream.",
    "web.upload_unknown": "Begin the upload anew.",
    "web.upload_version": "Use a client of tus 1.0.",
    "web.exposed": (
        "Make an account with `autoseg users add NAME --role admin` and set tls_cert and tls_key, "
        "or allow it with --insecure."
    ),
    "web.wrong_host": "Use an address that the server knows: its own, or one named in --host.",
    "web.cross_site": "Open the page itself; a program leaves the header Origin out.",
    "web.forwarded": "Make an account, and name the reverse proxy's address in trusted_proxy.",
    # Accounts.
    "account.needed": "Log in, or send a token in the header Authorization: Bearer.",
    "account.wrong": "Check name and password; `autoseg users password` sets a new one.",
    "account.forbidden": "Ask an admin for the role, or somebody who has it.",
    "account.too_many": "Wait as long as the message says.",
    "account.csrf": "Load the page again and repeat what you did.",
    "account.unknown": "`autoseg users list` shows the accounts.",
    "account.exists": "Choose another name; a name is never given twice.",
    "account.invalid": "Correct what the message names.",
    "account.hashing_missing": "Install argon2-cffi into the Python that runs this.",
    "store.newer": "Update AutoSegPipeline to at least the version named.",
    "store.damaged": "Restore a copy from state/backups, or move state/ aside.",
}


class PipelineError(Exception):
    """An expected failure with a stable ``code`` of :data:`CODES`.

    ``message`` says what is wrong and names the file or option; ``hint`` says
    what to do; ``data`` carries what a program may want (exit code, log tail).
    """

    def __init__(self, code: str, message: str, hint: str | None = None, **data: Any) -> None:
        if code not in CODES:
            raise ValueError(f"error code {code!r} is not in the table of errors")
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = CODES[code] if hint is None else hint
        self.data = data

    def __str__(self) -> str:
        return f"{self.message} ({self.code}) {self.hint}".rstrip()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.code, self.message, self.hint, self.data))

    def to_dict(self) -> dict[str, str]:
        """The form in which it stands in a job: ``code``, ``message``, ``hint``."""
        return {"code": self.code, "message": self.message, "hint": self.hint}

    @property
    def is_environment(self) -> bool:
        """Whether the surroundings are at fault, so that the case should wait."""
        return self.code.startswith("environment.")


class Refused(PipelineError):
    """The input cannot be taken; the job ends ``refused``."""


class EngineFailed(PipelineError):
    """The engine says that this case cannot be done; trying again would not help."""


class Cancelled(PipelineError):
    """Somebody asked for the case to be stopped."""

    def __init__(self, message: str = "The case was cancelled.") -> None:
        super().__init__("job.cancelled", message)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Cancelled, (self.message,))


def _rebuild(code: str, message: str, hint: str, data: dict[str, Any]) -> PipelineError:
    return PipelineError(code, message, hint, **data)


def from_dict(error: dict[str, Any]) -> PipelineError:
    """The inverse of :meth:`PipelineError.to_dict`; an unknown code becomes ``pipeline.internal``."""
    code = str(error.get("code", ""))
    if code not in CODES:
        code = "pipeline.internal"
    return PipelineError(code, str(error.get("message", "")), error.get("hint"))
