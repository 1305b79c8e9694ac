"""A SLURM cluster of three nodes on this one machine: loopback only, no root's files, gone when stopped."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scancel", "scontrol")
NODES, CPUS, MEGABYTES, FIRST_PORT = 3, 2, 8000, 17817

CONFIG = """\
ClusterName=sim
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.socket
CryptoType=crypto/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
StateSaveLocation={folder}/state
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdSpoolDir={folder}/spool/%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
DefMemPerCPU=100
GresTypes=gpu
MinJobAge=3600
KillWait=5
SlurmdTimeout=20
SlurmctldTimeout=20
InactiveLimit=0
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.log
{nodes}
PartitionName=cpu Nodes={names} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=n1,n2 MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """Which of SLURM's programs are not installed."""
    return [name for name in NEEDED if shutil.which(name, path=_path()) is None]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


@dataclass
class Cluster:
    """The cluster and what may be asked of it; two nodes have one GPU each, which is none but is counted like one."""

    folder: Path
    started: list[int] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """For processes that talk to it."""
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" and not key.startswith("SLURM")}
        return {**kept, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder / 'bin'}:{_path()}"}

    def start(self) -> None:
        """Start it and wait until every node is there."""
        for name in ("bin", "munge", "state", *(f"spool/n{k}" for k in range(1, NODES + 1))):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge").chmod(0o711)
        names = [f"n{k}" for k in range(1, NODES + 1)]
        nodes = [
            f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={FIRST_PORT + k} CPUs={CPUS} "
            f"RealMemory={MEGABYTES} {'Gres=gpu:1 ' if k <= 2 else ''}State=UNKNOWN"
            for k, name in enumerate(names, start=1)
        ]
        filled = CONFIG.format(
            host=socket.gethostname(),
            user=getpass.getuser(),
            folder=self.folder,
            port=FIRST_PORT,
            nodes="\n".join(nodes),
            names=",".join(names),
        )
        (self.folder / "slurm.conf").write_text(filled)
        # A GPU's file must be a device, and these two are everywhere.
        (self.folder / "gres.conf").write_text(
            "NodeName=n1 Name=gpu File=/dev/null\nNodeName=n2 Name=gpu File=/dev/zero\n"
        )
        # Inside a job the executor forgets SLURM_CONF, and srun would look in /etc.
        wrapper = self.folder / "bin" / "srun"
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        wrapper.chmod(0o755)
        key = self.folder / "munge" / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        munge = self.folder / "munge"
        self._daemon(
            *("munged", f"--key-file={key}", f"--socket={munge}/munge.socket", f"--pid-file={munge}/munged.pid"),
            *(f"--log-file={munge}/munged.log", f"--seed-file={munge}/seed"),
        )
        self._daemon("slurmctld", "-f", str(self.folder / "slurm.conf"))
        for name in names:
            self._daemon("slurmd", "-f", str(self.folder / "slurm.conf"), "-N", name)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            states = self.ask("sinfo", "-h", "-N", "-o", "%N %t").split()[1::2]
            if states and all(state in ("idle", "mix", "alloc") for state in states):
                return
            time.sleep(0.3)
        raise AssertionError(f"the cluster is not ready:\n{self.ask('sinfo', '-N', '-l')}")

    def _daemon(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True)

    def stop(self) -> None:
        """End jobs first (they outlive their node's daemon), then the daemons that were started, and no other."""
        subprocess.run(["scancel", "-u", getpass.getuser()], env=self.environment, check=False)
        end = time.monotonic() + 15
        while self.ask("squeue", "-h") and time.monotonic() < end:
            time.sleep(0.3)
        daemons = [self.folder / "slurmctld.pid", *self.folder.glob("slurmd.*.pid"), self.folder / "munge/munged.pid"]
        for file in daemons:
            if file.exists():
                _end(int(file.read_text()))

    def ask(self, *command: str) -> str:
        """Run one of SLURM's commands and return what it says."""
        run = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        return run.stdout

    def finished(self) -> list[dict[str, str]]:
        """What SLURM's log of completed jobs tells of each."""
        log = self.folder / "jobs.log"
        lines: Sequence[str] = log.read_text().splitlines() if log.exists() else ()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def running(self) -> list[tuple[str, str]]:
        """Id and name of every running job."""
        lines = self.ask("squeue", "-h", "-t", "RUNNING", "-o", "%i %j").splitlines()
        return [(line.split()[0], line.split()[1]) for line in lines]


def _end(process: int) -> None:
    for signal in (15, 9):
        for _ in range(100):
            status = Path(f"/proc/{process}/status")
            if not status.exists() or "State:\tZ" in status.read_text():
                return
            os.kill(process, signal if _ == 0 else 0)
            time.sleep(0.1)
