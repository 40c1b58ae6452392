"""A private Slurm on one machine: munged, slurmctld and one slurmd for each node, all in one folder.

Debian's packages slurmctld, slurmd, slurm-client and munge; nothing of the machine's own Slurm is read or
written. It needs root, because slurmd starts jobs as other users. After :meth:`Slurm.stop` nothing runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator

import psutil

from .orthanc import free_port
from .programs import missing, program

START_SECONDS = 60.0
_PACKAGES = "Debian: slurmctld, slurmd, slurm-client, munge"
_CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
ReturnToService=2
SlurmdTimeout={slurmd_timeout}
InactiveLimit=0
KillWait=2
OverTimeLimit=0
MinJobAge=300
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def needed() -> None:
    """Skip without Slurm and the rights to start it; in CI, which installs it, fail."""
    for name in ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol"):
        if shutil.which(name) is None and shutil.which(name, path="/usr/sbin") is None:
            program(name, _PACKAGES)
    if os.name != "posix" or os.geteuid() != 0:
        missing("a private Slurm needs root")


class Slurm:
    """One cluster; ``nodes`` machines of ``cpus`` processors each, all of them this one."""

    def __init__(self, folder: Path, nodes: int = 2, cpus: int = 1, slurmd_timeout: int = 10) -> None:
        self.folder = folder
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self.conf = folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        rows = [
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={free_port()} CPUs={cpus} "
            "RealMemory=100000 State=UNKNOWN"
            for name in self.nodes
        ]
        (folder / "state").mkdir()
        self.conf.write_text(
            _CONFIGURATION.format(
                folder=folder, port=free_port(), nodes="\n".join(rows), slurmd_timeout=slurmd_timeout
            )
        )
        # Else slurmd looks for the machine's own.
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")

    def start(self) -> None:
        """Start every daemon and wait until the nodes take jobs."""
        key, socket = self.folder / "munge.key", self.folder / "munge.socket"
        subprocess.run([_path("mungekey"), "-c", "-k", str(key)], check=True)
        self._daemon(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket}",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed",
        )  # fmt: skip
        self._until(socket.exists)
        self._daemon("slurmctld", "-D", "-f", str(self.conf))
        for node in self.nodes:
            self.start_node(node)
        self._until(lambda: self.ask("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * len(self.nodes))

    def start_node(self, node: str) -> None:
        """Start the slurmd of ``node``."""
        (self.folder / f"spool-{node}").mkdir(exist_ok=True)
        self._daemon("slurmd", "-D", "-N", node, "-f", str(self.conf), name=node)

    def kill_node(self, node: str) -> None:
        """As a power cut does: slurmd and everything that it started end at once."""
        self._kill(node)
        while self._end_steps(node):
            time.sleep(0.05)

    def _kill(self, daemon: str) -> None:
        one = self._daemons.pop(daemon)
        _kill_tree(psutil.Process(one.pid))
        one.wait(30)

    def _end_steps(self, name: str = "") -> bool:
        """End what daemonized for ``name``, or for all, and keeps its log open; whether there was any."""
        found = False
        log = f"{self.folder}/slurmd-{name}.log" if name else f"{self.folder}/"
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.name() in ("slurmstepd", "slurmscriptd") and any(
                    one.path.startswith(log) for one in process.open_files()
                ):
                    _kill_tree(process)
                    found = True
        return found

    def _daemon(self, program: str, *arguments: str, name: str = "") -> None:
        with open(self.folder / f"{name or program}.out", "ab") as log:
            self._daemons[name or program] = subprocess.Popen(
                [_path(program), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, start_new_session=True,
            )  # fmt: skip

    def _until(self, ready) -> None:
        until = time.monotonic() + START_SECONDS
        while not ready():
            ended = [name for name, one in self._daemons.items() if one.poll() is not None]
            if ended or time.monotonic() > until:
                raise AssertionError(f"{ended or 'Slurm'} did not start:\n{self.logs()}")
            time.sleep(0.1)

    def logs(self) -> str:
        """The last words of every daemon."""
        files = [*self.folder.glob("*.out"), *self.folder.glob("*.log")]
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in files)

    def ask(self, *command: str) -> str:
        """What a client program prints; empty where it fails."""
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=60)
        return done.stdout if done.returncode == 0 else ""

    def jobs(self, *states: str) -> list[str]:
        """Ids of the jobs in ``states`` (``RUNNING``, ``PENDING``); of all that are there without any."""
        wanted = ["-t", ",".join(states)] if states else ["--states=all"]
        return self.ask("squeue", "-h", "-r", "-o", "%i", *wanted).split()

    def stop(self) -> None:
        """End every job and every daemon."""
        for daemon in reversed(list(self._daemons)):
            self._kill(daemon)
        while self._end_steps():
            time.sleep(0.05)


def _path(name: str) -> str:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin") or name


def _kill_tree(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                one.kill()


@contextlib.contextmanager
def slurm(**values: int) -> Iterator[Slurm]:
    """A running cluster whose programs this process finds by ``SLURM_CONF``."""
    needed()
    # Not below pytest's folder: a socket's path has at most 107 letters, and munged looks at who may enter.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    one = Slurm(folder, **values)
    before = os.environ.get("SLURM_CONF")
    try:
        one.start()
        os.environ["SLURM_CONF"] = str(one.conf)
        yield one
    finally:
        if before is None:
            os.environ.pop("SLURM_CONF", None)
        else:
            os.environ["SLURM_CONF"] = before
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)
