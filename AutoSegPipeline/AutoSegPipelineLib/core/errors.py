"""Errors that carry a stable code, a message that names the file, and a hint.

Every code is a row of :data:`CODES`; a code that is no row cannot be raised.
A test compares ``docs/errors.md`` with this table.
"""

from __future__ import annotations

import re
from typing import Any

# code -> what a person can do about it, used when the raiser has nothing better.
CODES: dict[str, str] = {
    # The input cannot be processed (-> refused).
    "input.missing": "Check the path; nothing was found there.",
    "input.unreadable": "Check that the file's permissions let this user read it.",
    "input.empty": "The file is empty; copy it again from its source.",
    "input.unknown_format": "Give NIfTI, NRRD, MetaImage, DICOM or a .zip of these.",
    "input.truncated": "The file ends early; copy it again from its source.",
    "input.claims_too_much": "The header promises more voxels than the file holds; export it again.",
    "input.corrupt": "The file's header or data cannot be read; export it again.",
    "input.link": "Links are not followed; give the file itself.",
    "input.external_data": "The data file must be beside its header and be named without a path.",
    "input.missing_data_file": "Give the header together with its data file, or both as one .zip.",
    "input.two_dimensional": "A single slice has no depth; give a volume of several slices.",
    "input.four_dimensional": "Split the time series and give one volume.",
    "input.colour": "Colour pictures cannot be segmented; give the original scan.",
    "input.non_finite": "The scan contains NaN or infinity; export it with finite intensities.",
    "input.constant": "Every voxel has the same value; check the export.",
    "input.bad_affine": "The axes are singular or sheared; resample onto a regular grid first.",
    "input.orientation_unstated": (
        "The file does not state its orientation. Set the option assume_orientation, "
        "for example assume_orientation=RAS, or export it again with its orientation."
    ),
    "input.orientation_conflict": (
        "sform and qform disagree. Choose one with assume_orientation=sform or "
        "assume_orientation=qform, or export it again."
    ),
    "input.label_map": "This is a segmentation, not a scan; turn it into 3D with `autoseg export`.",
    "input.not_labels": "Give a label map, integers with 0 for background; a scan is for `autoseg run`.",
    "input.implausible_unit": "Compare the volumes with the scan; export it again with the right unit.",
    "input.own_output": "This is a result of this pipeline; it is not segmented again.",
    "input.too_large": "The scan exceeds the limit max_voxels; crop or resample it.",
    "input.too_thin": "Too few slices for a volume; see the option min_slices.",
    "input.nothing_inside": "No scan was found in the folder or archive.",
    "input.passed_by": "Nothing, unless one of them is a scan; then give it alone.",
    "input.channel_missing": "Give every channel of the scan together: NAME_0000, NAME_0001 and so on.",
    "input.channel_ambiguous": "Leave all but one of these series out, or give the model narrower patterns.",
    "input.channels_differ": "Bring the series onto one grid first; register them if the patient moved.",
    "input.changed": "The file changed while it was copied; give it again when it is complete.",
    "dicom.not_an_image": "Give the scan itself, a CT or MR series.",
    "dicom.no_voxels": (
        "Open it in 3D Slicer with its scan (a structure set needs the extension SlicerRT), save it with the "
        "module Segmentations, Export to files, as NRRD or NIfTI, and give that label map."
    ),
    "dicom.no_segmentation_reader": (
        "Save the segmentation as NRRD or NIfTI (in 3D Slicer: the module Segmentations, Export to files) "
        "and give that, or install highdicom into this Python."
    ),
    "dicom.scout": "Localizers and scouts are not volumes; give the axial series.",
    "dicom.unsupported_modality": "Give a CT or MR series.",
    "dicom.two_patients": "One series UID holds two patients; send the studies again.",
    "dicom.conflicting_instances": "Two different files share one SOP instance UID; send the series again.",
    "dicom.late_slices": "The earlier slices were purged or came in an archive; send all slices again.",
    "dicom.missing_slices": "Slices are missing from the series; send the complete series again.",
    "dicom.uneven_slices": "The slices were resampled to even distances; compare detail with the source.",
    "dicom.odd_slices": "These slices do not fit the rest of their series; compare them with the source.",
    "dicom.gantry_tilt": "The volume was straightened; check fine detail against the source.",
    "dicom.several_stacks": "One series contained several volumes; each became a separate case.",
    "dicom.earlier_images_gone": "Send the complete series again if the result should be of all of it.",
    "dicom.uids_missing": "Check that the case holds the slices of one series and no others.",
    "dicom.modality_assumed": "Check that the scan is of this modality.",
    "dicom.duplicates": "The repeated files were left out; nothing has to be done.",
    "dicom.odd_values": "Check the sizes of the result against the source.",
    "dicom.conversion_failed": "The series could not be converted; see the converter's messages in the log.",
    "dicom.burned_in": "Look at the pictures; the de-identification changes headers, never pixels.",
    "dicom.text_in_pixels": "Look at picture, report and scan view before you hand them on.",
    "dicom.cannot_deidentify": "Send it to a peer without deidentify, or leave this kind of object out.",
    "dicom.identity_left": "Look at the named elements; the patient is named where nobody expects it.",
    "dicom.no_anonymizer": "Install dicom-anonymizer into this Python.",
    "dicom.unknown_pseudonym": "Use the home that de-identified it; only its table leads back.",
    "dicom.compressed": "The transfer syntax cannot be decoded here; send it uncompressed.",
    "install.failed": "See what pip printed in Slicer's Python console; Slicer's own packages are as before.",
    "install.not_removed": "Run slicer.util.pip_uninstall with their names in the Python console of Slicer.",
    "remote.unreachable": "Check its address and whether it runs; the panel tries again by itself.",
    "remote.refused": "Ask the administrator of that machine for a token with the role operator.",
    # The PACS: the answer to whoever asked.
    "pacs.configuration": "Correct dicom.json in the home; docs/pacs.md lists its keys.",
    "pacs.unknown_peer": "Name a peer of dicom.json; `autoseg dicom status` lists them.",
    "pacs.no_answer": "See `autoseg dicom status` and `autoseg doctor`; the peer may be slow or away.",
    "pacs.peer_away": "Check host and port in dicom.json, the network and the firewall, and that it runs.",
    "pacs.peer_refuses": "The other side must know our AE title and address; docs/pacs.md shows where.",
    "pacs.peer_failed": "Its own log says more.",
    "pacs.incomplete": "It is tried again; if that does not help, look at the study in the archive.",
    "pacs.no_scan": "Name a study or series with CT or MR images.",
    "pacs.cannot_listen": "Give another port in dicom.json, or end the program that has it.",
    "pacs.packages_missing": "Install them into the Python that runs the pipeline, and start it again.",
    "pacs.not_taken": "See the peer's log; `seg` and `objects` of the peer in dicom.json say what it gets.",
    "pacs.no_source_headers": (
        "Only a result of a DICOM series whose UIDs are there can go back to a PACS. If this is one, retry "
        "the job: its headers are kept when it is inspected."
    ),
    "pacs.missing_result": "Run the case again with this kind of result among its formats.",
    "pacs.patient_mismatch": "Nothing was sent. Retry the job; if it happens again, report it.",
    "pacs.objects_failed": "Try again; the message says what went wrong.",
    "pacs.gave_up": "When the peer takes objects again: autoseg dicom send JOB --to PEER.",
    "archive.corrupt": "The archive cannot be read; pack it again.",
    "archive.encrypted": "The archive has a password; pack it again without one.",
    "archive.too_many_files": "The archive holds more files than the limit; pack fewer into each.",
    "archive.too_large": "The archive unpacks to more than the limit; pack less into each.",
    "archive.suspicious_ratio": "The archive's compression is implausible for a scan; it was not unpacked.",
    "archive.unsafe_path": "The archive names a path outside itself; pack it again.",
    "archive.nested": "An archive inside an archive is not unpacked; pack the scans directly.",
    "options.invalid": "Correct the options file or the option, then try again.",
    "options.format_lacks": "Install the package named in the message, or leave the format out.",
    "options.unknown_key": "Correct the name of the option.",
    "options.unreadable": "The options file is not valid JSON; correct it.",
    "options.old_rules": (
        "rules.json is invalid, so the previous rules stay in force; `autoseg rules check` shows the mistake."
    ),
    "weights.invalid": "Give a released archive Dataset123_....zip, or the complete folder that it contains.",
    # Users' own models.
    "model.invalid": "Give the trained model's folder (plans.json, dataset.json, fold_*), or the zip of it.",
    "model.unsupported": "Train it with the classes of nnunetv2 itself, or ask its authors for such weights.",
    "model.exists": "Give another name, or add it with --replace.",
    "model.unknown": "Correct the name, or add the model.",
    # The case was taken but did not end well (-> failed).
    "engine.unknown": "`autoseg doctor` lists the engines.",
    "engine.not_available": "`autoseg doctor` shows what the engine lacks.",
    "engine.wrong_modality": "Choose an engine or task for this modality.",
    "engine.implausible_intensity": (
        "If it is a CT, export it again with its rescaling, so that air is -1000. If it is an MR, choose "
        "modality=MR and the engine totalsegmentator, whose task total_mr reads MR."
    ),
    "engine.no_body": "No body was found in the scan; check that it shows a patient.",
    "engine.failed": "See the engine's messages in the case's log.",
    "engine.no_memory": "Choose a lower quality, crop the scan, or use a machine with more memory.",
    "engine.task_unknown": "`autoseg doctor` lists the tasks of each engine.",
    "engine.structure_unknown": "Correct the structure's name.",
    "engine.quality_unknown": "Choose one of the qualities that the task has.",
    "engine.channel_missing": "Give every channel of one scan together: NAME_0000, NAME_0001 and so on. DICOM"
    " series need a model that was added with --channel.",
    "engine.channels_differ": "Bring the channels onto one grid first; register them if the patient moved.",
    "engine.checkpoint_unsafe": (
        "If you trust whoever made the model as you trust a program of theirs, an administrator adds it as "
        "trusted. Else ask for weights without it."
    ),
    "engine.weights_missing": "Install the model's weights, or allow the download: download_weights=true.",
    "engine.licence_needed": "Get a licence number from the engine's authors and set it, then try again.",
    "engine.needs_slicer": "Submit it in the 3D Slicer module, or choose another engine or exporter.",
    "engine.extension_missing": "Install the extension with Slicer's Extensions Manager and restart Slicer.",
    "engine.declaration_invalid": "Correct engines.json; `autoseg engines check` shows each mistake.",
    "engine.time_limit": "Raise time_limit_minutes in engines.json, or find out in the log why it hangs.",
    "engine.bad_output": "See the program's messages in the case's log, and its declaration in engines.json.",
    "engine.no_gpu": "Choose device=cpu or device=auto, or repair the GPU's driver or build of torch.",
    "export.empty": "The segmentation contains no voxel of any structure.",
    "export.no_names": "Give a table `value,name[,color]` with --labels.",
    "export.other_grid": "Bring all masks of the folder onto one grid; masks of different scans: one by one.",
    "export.no_table": "Give the path of a table, or a task of TotalSegmentator such as `total_mr`.",
    "export.bad_table": "Correct the table: a CSV with the columns value,name[,color].",
    "export.failed": "See the case's log; the scan itself was kept.",
    "export.verification": "A written file did not pass its check; see the case's log.",
    "worker.vanished": "The worker ended without a message, often because memory ran out; see the log.",
    "worker.hung": "The worker made no progress for longer than hung_minutes; see the log.",
    "worker.protocol": "The worker sent an unexpected message; see the log.",
    "worker.not_started": "The worker could not be started; `autoseg doctor` shows why.",
    "child.died": "It is restarted automatically; the log contains its last messages.",
    "child.not_started": "The log contains the reason; repair that, then restart the pipeline.",
    "pipeline.died": "The pipeline itself ended too often during this case; it will not be tried again.",
    "pipeline.internal": "An error in this program; the log contains the traceback.",
    "job.cancelled": "It was cancelled on request; `autoseg retry` runs it again.",
    "cluster.packages_missing": (
        "Install the cluster's packages into the Python that runs the pipeline, and start it again."
    ),
    "cluster.configuration": "Correct the setting that the message names.",
    "cluster.rejected": "The scheduler did not take the job: correct the cluster settings.",
    "cluster.worker_failed": "Workers cannot start on the cluster's machines: read what the last one wrote.",
    # The environment is the cause (-> the pipeline pauses, the case waits).
    "environment.disk_full": "Free space on the disk; the pipeline resumes by itself.",
    "environment.results_unreachable": "Make the results folder reachable and writable again.",
    "environment.home_unwritable": "Make the folder writable for this user.",
    "environment.network_state": "Put the state on a local disk with --state DIR.",
    "environment.locked": "Stop the other pipeline first, or use another --home.",
    "environment.nested_folders": "Choose folders that are not inside one another.",
    "environment.bundle_damaged": (
        "Check the shared folder and its disk; a pipeline bundles the case again by itself."
    ),
    "environment.share_unreachable": "Make the folder of cluster_share reachable and writable again.",
    "environment.scheduler_unreachable": (
        "See whether squeue answers on this machine; bundles go on when it does."
    ),
    "environment.gpu_gone": (
        "Repair the GPU or its driver; the pipeline looks for it and resumes by itself. `autoseg resume` "
        "continues without it: device=auto then computes on the CPU."
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
    "request.too_many": "Wait for the time given in the message.",
    "request.too_large": "Send less at once, or ask the administrator to raise the limit in the settings.",
    "request.conflict": "Check the current state and try again.",
    "request.range_not_satisfiable": "Request a range inside the file.",
    # The web page and the HTTP API.
    "web.port_busy": "Stop the other program, or choose another port with --port.",
    "web.cannot_bind": "Correct --host and --port.",
    "web.certificate": "Correct --tls-cert and --tls-key.",
    "web.packages_missing": "Install the packages named; `autoseg doctor` checks again.",
    "web.died": "It is restarted automatically; the log contains its last messages.",
    "web.internal": "An error in this program; the log contains the traceback.",
    "web.media_type": "Send multipart/related with parts of the type application/dicom.",
    "web.not_acceptable": "Accept application/dicom+json.",
    "web.unavailable": "Try again in a moment.",
    "web.upload_busy": "Wait until the other request has ended, then ask for the upload's offset.",
    "web.upload_checksum": "Send it again; the data changed in transit.",
    "web.upload_incomplete": "Send the missing files, then finish the batch.",
    "web.upload_interrupted": "Send it again, or continue a resumable upload where it stopped.",
    "web.upload_malformed": "Send a complete form, as browsers and curl -F do.",
    "web.upload_offset": "Get the upload's offset with HEAD, and continue from there.",
    "web.upload_quota": (
        "Wait until your earlier cases are done, or ask the administrator to raise upload_quota_mb."
    ),
    "web.upload_type": "Send the part as application/offset+octet-stream.",
    "web.upload_unknown": "Start the upload again.",
    "web.upload_version": "Use a client of tus 1.0.",
    "web.exposed": (
        "Create an account with `autoseg users add NAME --role admin` and set tls_cert and tls_key, "
        "or allow it with --insecure."
    ),
    "web.wrong_host": "Use an address that the server knows: its own, or one named in --host.",
    "web.cross_site": "Open the page itself; programs omit the header Origin.",
    "web.forwarded": "Create an account, and add the reverse proxy's address to trusted_proxy.",
    # Accounts.
    "account.needed": "Log in, or send a token in the header Authorization: Bearer.",
    "account.wrong": "Check name and password; `autoseg users password` sets a new one.",
    "account.forbidden": "Ask an admin for the role, or someone who has it.",
    "account.too_many": "Wait for the time given in the message.",
    "account.csrf": "Reload the page and try again.",
    "account.unknown": "`autoseg users list` shows the accounts.",
    "account.exists": "Choose another name; names are never reused.",
    "account.invalid": "Correct the value named in the message.",
    "account.code_needed": "Give the code that your authenticator app shows, or one of your recovery codes.",
    "account.code_wrong": "Wait for the next code of your authenticator app; each code counts once.",
    "account.reauthenticate": "Give your password again.",
    "account.provider": "Try again; if it stays, the administrator finds the reason in the log.",
    "web.oidc": "Correct the file that the setting oidc names.",
    "account.package_missing": "Install the package named in the message into the Python that runs this.",
    "account.hashing_missing": "Install argon2-cffi into the Python that runs this.",
    "table.unreadable": "Run the case again, or move its files away.",
    "table.no_parquet": "Install pyarrow into this Python, or take the CSV.",
    "store.newer": "Update AutoSegPipeline to at least the version named.",
    "store.damaged": "Restore a copy from state/backups, or move state/ aside.",
}
# Messages quote names and headers: control characters, halves of characters and signs that turn the
# direction of writing would garble a terminal, a page or the store.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


class PipelineError(Exception):
    """An expected failure with a stable ``code`` of :data:`CODES`.

    ``message`` says what is wrong and names the file or option; ``hint`` says
    what to do; ``data`` carries what a program may want (exit code, log tail).
    """

    def __init__(self, code: str, message: str, hint: str | None = None, **data: Any) -> None:
        if code not in CODES:
            raise ValueError(f"error code {code!r} is not in the table of errors")
        message = _UNSHOWN.sub("\ufffd", message)
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = CODES[code] if hint is None else hint
        self.data = data

    def __str__(self) -> str:
        return f"{self.message} ({self.code}) {self.hint}".rstrip()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.code, self.message, self.hint, self.data))

    def to_dict(self) -> dict[str, str]:
        """The form in which a job stores it: ``code``, ``message``, ``hint``."""
        return {"code": self.code, "message": self.message, "hint": self.hint}

    @property
    def is_environment(self) -> bool:
        """Whether the environment is the cause, so that the case should wait."""
        return self.code.startswith("environment.")


class Refused(PipelineError):
    """The input cannot be processed; the job ends ``refused``."""


class EngineFailed(PipelineError):
    """The engine cannot process this case; trying again would not help."""


class Cancelled(PipelineError):
    """Somebody asked to stop the case."""

    def __init__(self, message: str = "The case was cancelled.") -> None:
        super().__init__("job.cancelled", message)

    def __reduce__(self) -> tuple[object, ...]:
        return (Cancelled, (self.message,))


def _rebuild(code: str, message: str, hint: str, data: dict[str, object]) -> PipelineError:
    return PipelineError(code, message, hint, **data)


def from_dict(error: dict[str, Any]) -> PipelineError:
    """The inverse of :meth:`PipelineError.to_dict`; an unknown code becomes ``pipeline.internal``."""
    code = str(error.get("code", ""))
    if code not in CODES:
        code = "pipeline.internal"
    return PipelineError(code, str(error.get("message", "")), error.get("hint"))
