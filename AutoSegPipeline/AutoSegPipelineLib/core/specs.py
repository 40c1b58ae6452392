"""The one table of settings and case options.

Flags, environment names, ``settings.json``, the API's schema, the panel and
the docs test come from it. A *setting* is one value for the pipeline;
an *option* may differ from case to case, and a setting of the same name is its
last default.
"""

from __future__ import annotations

# ruff: noqa: E501 - a table is read by its columns
from typing import Any

from . import cluster_settings, engines, result_formats, web_origins
from .errors import PipelineError
from .spec import Spec, did_you_mean

__all__ = [
    "BY_NAME",
    "OPTIONS",
    "OPTION_NAMES",
    "QUALITIES",
    "SETTINGS",
    "Spec",
    "did_you_mean",
    "find",
    "parse_options",
]

QUALITIES = ("normal", "fast", "fastest")


OPTIONS: tuple[Spec, ...] = (
    Spec("engine", "text", "auto", "Segmentation engine; auto takes the best that works here. Several: ENGINE[:TASK],ENGINE[:TASK].", option=True),
    Spec("task", "text", "", "Task of an engine that names none itself; empty takes its default.", option=True),
    Spec("quality", "choice", "normal", "Trade detail for time.", QUALITIES, option=True),
    Spec("structures", "list", (), "Only these structures; empty means all.", option=True),
    Spec("device", "text", "auto", "Where the engine computes: auto, cpu, gpu, gpu:N or mps.", option=True, pattern=r"|auto|cpu|gpu(:\d{1,3})?|mps", shape="auto, cpu, gpu, gpu:N, mps"),
    Spec("download_weights", "bool", False, "Let the engine fetch missing weights of its models.", option=True),
    Spec("exporter", "choice", "ours", "Who writes the .gltf: ours, or OpenAnatomy Export in 3D Slicer.", ("ours", "openanatomy"), option=True),
    Spec("formats", "list", result_formats.DEFAULT, f"Result files; {' and '.join(result_formats.ALWAYS)} are always there.", result_formats.KINDS, option=True),
    Spec("detail", "float", 0.1, "Part of the surface triangles that is kept.", minimum=0.005, maximum=1, option=True),
    Spec("max_triangles", "int", 1_000_000, "Most triangles of all surfaces together; 0 sets no limit.", minimum=0, maximum=10**9, option=True),
    Spec("min_piece_ml", "float", 0.01, "Separate pieces and holes below this are left out of surfaces; 0 keeps all.", minimum=0, maximum=1000, unit="ml", option=True),
    Spec("smoothing", "bool", True, "Smooth the surfaces without shrinking them.", option=True),
    Spec(
        "assume_orientation", "choice", "",
        "Orientation of a file that states none (RAS, LPS, ...) or two (sform, qform).",
        ("", "RAS", "LPS", "LAS", "RPS", "sform", "qform"), option=True,
    ),
    Spec("modality", "choice", "", "CT or MR, when the file cannot say it.", ("", "CT", "MR"), option=True),
    Spec(
        "modality_mismatch", "choice", "switch", "CT task on MR or the other way: take the task's twin, or refuse.",
        ("switch", "refuse"), option=True,
    ),
    Spec("min_slices", "int", 8, "Fewer slices than this are no volume.", minimum=2, maximum=10000, option=True),
    Spec("send_to", "list", (), "Peers of dicom.json that get the results as DICOM.", option=True),
    Spec("priority", "int", 50, "0 (whenever) to 100 (next).", minimum=0, maximum=100, option=True),
)  # fmt: skip

SETTINGS: tuple[Spec, ...] = (
    Spec("watch", "bool", True, "Watch the inbox."),
    Spec("settle_seconds", "float", 5.0, "A file is complete when it rested this long.", minimum=0.1, maximum=3600, unit="s"),
    Spec("settle_network_seconds", "float", 30.0, "The same on network file systems.", minimum=0.1, maximum=3600, unit="s"),
    Spec("rescan_seconds", "float", 10.0, "How often the inbox is listed again.", minimum=0.2, maximum=3600, unit="s"),
    Spec("truncated_minutes", "float", 15.0, "An incomplete file that rested this long is refused.", minimum=0.01, maximum=10080, unit="min"),
    Spec("inputs", "choice", "delete", "What happens to an input after its case is done.", ("delete", "archive", "keep")),
    Spec("grace_hours", "float", 24.0, "How long a spent input is kept before it is removed.", minimum=0, maximum=8760, unit="h"),
    Spec("keep_results_days", "float", 0.0, "Results older than this are purged; 0 keeps them for ever.", minimum=0, maximum=36500, unit="d"),
    Spec("keep_failed_days", "float", 0.0, "Failed and refused inputs older than this are purged; 0 keeps them.", minimum=0, maximum=36500, unit="d"),
    Spec("max_voxels", "int", 2_000_000_000, "Scans above this many voxels are refused.", minimum=1000, maximum=10**11),
    Spec("archive_max_files", "int", 20000, "Most files in one archive.", minimum=1, maximum=10**7),
    Spec("archive_max_mb", "int", 16384, "Most megabytes that one archive may unpack to.", minimum=1, maximum=10**7, unit="MB"),
    Spec("archive_max_ratio", "float", 200.0, "Most plausible compression of a file in an archive.", minimum=2, maximum=10**6),
    Spec("workers", "int", 1, "How many cases are computed at the same time.", minimum=1, maximum=16),
    Spec("worker_python", "text", "", "Python that runs the workers, with packages of its own; empty takes this one."),
    Spec("slicer", "text", "", "Folder of a 3D Slicer whose PythonSlicer runs the workers."),
    *engines.SETTINGS,
    Spec("hung_minutes", "float", 30.0, "A worker without progress for this long is ended.", minimum=0.05, maximum=10080, unit="min"),
    Spec("recycle_cases", "int", 100, "A worker is started again after this many cases.", minimum=1, maximum=10**6),
    Spec("recycle_growth_mb", "int", 2048, "A worker is started again when it has grown by this much.", minimum=64, maximum=10**6, unit="MB"),
    Spec("disk_min_free_mb", "int", 500, "Below this much free disk nothing new is begun.", minimum=10, maximum=10**7, unit="MB"),
    Spec("disk_reserve_mb", "int", 16, "Size of the file that is given up when the disk is full.", minimum=1, maximum=4096, unit="MB"),
    Spec("cache_mb", "int", 2048, "Label maps kept so that the same scan need not be computed twice; 0 keeps none.", minimum=0, maximum=10**7, unit="MB"),
    Spec("log_mb", "int", 10, "Size at which the log is rotated.", minimum=1, maximum=4096, unit="MB"),
    Spec("log_files", "int", 10, "How many rotated logs are kept.", minimum=1, maximum=1000),
    Spec("web", "bool", True, "Serve the web page and the HTTP API."),
    Spec("host", "text", "127.0.0.1", "Address that the web page listens on; any but loopback needs an account and TLS."),
    Spec("port", "int", 8080, "Port of the web page; 0 takes any that is free.", minimum=0, maximum=65535),
    Spec("base_path", "text", "", "Path below which a reverse proxy shows the web page, such as /autoseg."),
    Spec("tls_cert", "text", "", "File of the certificate chain (PEM) for HTTPS."),
    Spec("tls_key", "text", "", "File of the certificate's private key (PEM)."),
    Spec("insecure", "bool", False, "Allow other machines in without an account and TLS; only for networks that you trust."),
    Spec("trusted_proxy", "list", (), "Addresses of reverse proxies whose forwarded headers are believed."),
    Spec("server_names", "list", (), "Names under which other machines reach the web page; requests to any other name are refused."),
    Spec("web_embed_sites", "list", (), "Sites whose pages may show the viewer of a share link in a frame, such as https://www.example.org.", pattern=web_origins.PATTERN, shape=web_origins.SHAPE),
    Spec("audit_days", "float", 400.0, "How long the audit log remembers who saw, took and changed what.", minimum=1, maximum=36500, unit="d"),
    Spec("visibility", "choice", "all", "Whose jobs and results an account sees: everybody's or its own.", ("all", "own")),
    Spec("upload_max_mb", "int", 16384, "Largest upload over HTTP.", minimum=1, maximum=10**7, unit="MB"),
    Spec("upload_max_files", "int", 20000, "Most files in one upload over HTTP.", minimum=1, maximum=10**6),
    Spec("upload_quota_mb", "int", 65536, "Most megabytes of one account that are being uploaded or wait for the end of their case.", minimum=1, maximum=10**8, unit="MB"),
    Spec("upload_expire_hours", "float", 24.0, "An upload that rested unfinished for this long is removed.", minimum=0.01, maximum=8760, unit="h"),
    Spec("session_hours", "float", 12.0, "How long a login holds.", minimum=0.05, maximum=8760, unit="h"),
    Spec("oidc", "text", "", "File that names the OpenID Connect provider through which people log in; empty means none."),
    Spec("dicom", "bool", False, "Exchange DICOM with a PACS, as dicom.json in the home says."),
    *cluster_settings.SETTINGS,
    Spec("webhook_url", "text", "", "URL that hears by POST when a job is done or failed, or a send to a PACS is given up."),
    Spec("webhook_secret", "text", "", "Secret with which what the webhook hears is signed."),
)  # fmt: skip

# Never shown: neither by `config show` nor in a document.
SECRETS = ("webhook_secret",)

BY_NAME: dict[str, Spec] = {spec.name: spec for spec in OPTIONS + SETTINGS}
OPTION_NAMES: tuple[str, ...] = tuple(spec.name for spec in OPTIONS)


def find(name: str, origin: str, options_only: bool = False) -> Spec:
    """The spec called ``name``; an unknown one is an error that says the nearest."""
    known = OPTION_NAMES if options_only else tuple(BY_NAME)
    spec = BY_NAME.get(name)
    if spec is None or (options_only and not spec.option):
        raise PipelineError(
            "options.unknown_key" if options_only else "request.unknown_setting",
            f"{origin}: there is no {'option' if options_only else 'setting'} {name!r}"
            f"{did_you_mean(name, known)}",
        )
    return spec


def parse_options(given: dict[str, Any], origin: str, chosen_before: bool = False) -> dict[str, object]:
    """Validate case options; the answer holds what was given, as the specs' types.

    A format whose package is missing here is refused, ``options.format_lacks``, unless ``chosen_before``:
    then the package may have gone since, and the case goes without that file, with a warning.
    """
    if not isinstance(given, dict):
        raise PipelineError("options.invalid", f"{origin}: options are a JSON object")
    parsed = {name: find(name, origin, True).parse(value, origin) for name, value in given.items()}
    if "formats" in parsed:
        parsed["formats"] = result_formats.complete(parsed["formats"])
        lacks = [result_formats.BY_KIND[kind].lacks for kind in parsed["formats"]]
        if any(lacks) and not chosen_before:
            raise PipelineError("options.format_lacks", f"{origin}: {'; '.join(filter(None, lacks))}")
    return parsed
