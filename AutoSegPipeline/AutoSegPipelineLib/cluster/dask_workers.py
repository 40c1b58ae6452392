"""Dask distributed: for machines without a scheduler of their own.

Dask's scheduler runs in this process and speaks TLS with certificates on both sides. An administrator starts
``dask worker`` on each machine, which finds address and certificate on the share; whoever can read the share
can read the scans, so the key adds no right. What a worker runs is the same command as a job of Slurm.
"""

from __future__ import annotations

import datetime
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Sequence

from ..core.cluster_settings import DASK, JobSize
from ..core.errors import PipelineError
from ..core.files import create_private
from ..core.settings import Settings
from .executor import ENDED, RUNNING, WAITING, JobState, worker_command

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster, Scheduler
    from distributed.security import Security

log = logging.getLogger(__name__)

FOLDER = "dask"  # on the share
_CERTIFICATE, _KEY, _ADDRESS = "certificate.pem", "key.pem", "scheduler.json"
_VALID_DAYS = 3650
_CLOCK_DAYS = 2  # by which the clock of another machine may be slow
# Nothing but the end of the pipeline itself makes Dask forget a job.
_GONE = JobState(ENDED, "the pipeline was started again, and Dask no longer knows the job", counted=False)
_EXIT = "the worker ended with exit code {}"
_CONFIG = {
    "distributed.scheduler.allowed-failures": 0,  # who vanished is reported at once
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.comm.timeouts.tcp": "30s",
    "distributed.admin.log-length": 100,
}


class DaskWorkers:
    """A Dask scheduler in this process, and a client of it."""

    name = DASK

    def __init__(self, share: Path, settings: Settings) -> None:
        """Raises ``cluster.packages_missing``, ``cluster.configuration``."""
        try:
            import cryptography  # noqa: F401 - whether it is there
            import dask
            import distributed
        except ImportError as error:
            raise PipelineError("cluster.packages_missing", f"Dask needs packages: {error}") from error
        self._settings = settings
        self._folder = share / FOLDER
        self._futures: dict[str, Future] = {}
        dask.config.set(_CONFIG)
        logging.getLogger("distributed").setLevel(logging.ERROR)
        try:
            security = self._security()
            self._cluster: LocalCluster = distributed.LocalCluster(
                # No host at all would be this machine's loopback; an empty one is each of its addresses.
                n_workers=0, protocol="tls", host=settings["cluster_host"],
                scheduler_port=settings["cluster_port"], security=security, dashboard_address=None,
                silence_logs=logging.ERROR,
            )  # fmt: skip
            self._client: Client = distributed.Client(self._cluster)
        except (OSError, ValueError, RuntimeError) as error:
            place = f"{settings['cluster_host'] or 'any address'}, port {settings['cluster_port']}"
            raise PipelineError("cluster.configuration", f"Dask cannot listen on {place}: {error}") from error
        address = self._cluster.scheduler_address
        if not settings["cluster_host"] and "://127." in address:
            log.warning("This machine knows no address for others but %s: set cluster_host", address)
        self._write(_ADDRESS, f'{{"type": "Scheduler", "address": "{address}"}}\n')
        log.info("Dask listens at %s; on each machine of the cluster run: %s", address, self.command)

    @property
    def command(self) -> str:
        """What an administrator runs on another machine."""
        paths = [self._folder / name for name in (_ADDRESS, _CERTIFICATE, _CERTIFICATE, _KEY)]
        flags = ("--scheduler-file", "--tls-ca-file", "--tls-cert", "--tls-key")
        words = [self._settings["cluster_python"] or sys.executable, "-m", "distributed.cli.dask_worker"]
        for flag, path in zip(flags, paths):
            words += [flag, str(path)]
        words += ["--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--resources", "GPU=1"]
        return shlex.join(words)

    @property
    def workers(self) -> int:
        """How many workers are there."""
        return len(self._scheduler.workers)

    @property
    def _scheduler(self) -> Scheduler:
        """Read from another thread than its own, which takes no harm from it."""
        found = self._cluster.scheduler
        if found is None:
            raise PipelineError("environment.scheduler_unreachable", "Dask's scheduler has ended")
        return found

    def _security(self) -> Security:
        """Certificate and key of the share, made where they are missing; raises OSError."""
        from distributed.security import Security

        self._folder.mkdir(mode=0o700, exist_ok=True)
        certificate, key = self._folder / _CERTIFICATE, self._folder / _KEY
        if not (certificate.exists() and key.exists()):
            made, secret = new_certificate()
            self._write(_KEY, secret)
            self._write(_CERTIFICATE, made)
        ours = {f"tls_{who}_cert": str(certificate) for who in ("scheduler", "client", "worker")}
        keys = {f"tls_{who}_key": str(key) for who in ("scheduler", "client", "worker")}
        return Security(require_encryption=True, tls_ca_file=str(certificate), **ours, **keys)

    def _write(self, name: str, text: str) -> None:
        part = self._folder / f"{name}.part"
        part.unlink(missing_ok=True)
        create_private(part)
        part.write_text(text, encoding="ascii")
        os.replace(part, self._folder / name)

    def submit(self, bundles: Sequence[Path], size: JobSize, token: str) -> list[str]:
        """See :class:`.executor.Executor`."""
        resources = {"GPU": size.gpus} if size.gpus else None
        ids = []
        for bundle in bundles:
            job = f"{bundle.name}-{token}"
            command = worker_command(self._settings, bundle)
            self._futures[job] = self._client.submit(
                # Its exit code comes with the state: to ask for a result may wait for a machine that is gone.
                subprocess.check_call,
                command,
                key=job,
                pure=False,
                retries=0,
                resources=resources,
            )
            ids.append(job)
        return ids

    def find(self, token: str, count: int) -> list[str]:
        """None: Dask's scheduler ended with the process that submitted them."""
        return []

    def states(self, ids: Sequence[str]) -> Mapping[str, JobState]:
        """See :class:`.executor.Executor`."""
        return {job: self._state(job) for job in ids}

    def _state(self, job: str) -> JobState:
        future = self._futures.get(job)
        if future is None:
            return _GONE
        if future.status == "pending":
            task = self._scheduler.tasks.get(job)
            worker = task.processing_on if task is not None else None
            if worker is None:
                return JobState(WAITING, "" if self.workers else "no worker is there")
            # Sent to a worker is not begun: it may be at another bundle.
            began = task in worker.executing
            return JobState(RUNNING if began else WAITING, machine=worker.host)
        if future.status == "finished":
            return JobState(ENDED, _EXIT.format(0))
        if future.status == "error":
            error = future.exception()
            if isinstance(error, subprocess.CalledProcessError):
                return JobState(ENDED, _EXIT.format(error.returncode))
            return JobState(ENDED, f"the worker is gone ({type(error).__name__})")
        return JobState(ENDED, "the job was cancelled", counted=False)

    def cancel(self, ids: Sequence[str]) -> None:
        """See :class:`.executor.Executor`; a command that runs ends by the markers in its bundle."""
        for job in ids:
            if job in self._futures:
                self._futures[job].cancel()

    def log(self, job_id: str) -> str:
        """A worker's words stay on its machine; those about a case lie in the bundle."""
        return ""

    def forget(self, job_id: str) -> None:
        """See :class:`.executor.Executor`."""
        self._futures.pop(job_id, None)

    def stop(self) -> None:
        """The scheduler ends, and with it each worker's connection."""
        self._client.close(timeout=2)
        self._cluster.close(timeout=2)


def new_certificate() -> tuple[str, str]:
    """A certificate that signs itself, for every side of this Dask, and its key; both as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "AutoSegPipeline bundles")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=_CLOCK_DAYS))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), secret.decode()
