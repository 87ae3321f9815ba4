"""Environments for the engines, made from their packages; nothing of the system is changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APT = Path("/etc/apt")


class UnavailableError(Exception):
    """An engine cannot be had or does not run here; the message says why."""


@dataclass(frozen=True)
class Environment:
    """What an engine needs.

    Parameters
    ----------
    name
        Of its folder.
    packages
        For pip.
    pinned
        Whether this project's constraints hold for them.
    debian
        Debian packages, of the release or its backports, whose Python modules, headers and libraries are put in first.
    """

    name: str
    packages: tuple[str, ...]
    pinned: bool = True
    debian: tuple[str, ...] = ()


PYNX = (
    "numpy<2",
    "scipy",
    "h5py",
    "hdf5plugin",
    "silx",
    "fabio",
    "mako",
    "matplotlib",
    "numexpr",
    "packaging",
    "pooch",
    "psutil",
    "pytools",
    "scikit-image",
    "scikit-learn",
)
"""What its package asks for, less what is for GPUs and tomography; it is older than NumPy 2."""
OPENCL = (
    "opencl-headers",
    "opencl-c-headers",
    "opencl-clhpp-headers",
    "ocl-icd-opencl-dev",
    "ocl-icd-libopencl1",
)
ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("pynx", PYNX, pinned=False, debian=("python3-pynx",)),
        Environment(
            "pynx-opencl",
            (*PYNX, "pyopencl", "pocl-binary-distribution", "pyvkfft"),
            pinned=False,
            debian=("python3-pynx", *OPENCL),
        ),
        Environment("cohere", ("cohere_core", "numpy", "scipy", "torch==2.13.0")),
        Environment("numpy", ("numpy", "scipy")),
    )
}  # fmt: skip


def python(environment: Environment, folder: Path) -> Path:
    """Return the interpreter of an environment, which is made if it is not there as asked for.

    Raises
    ------
    UnavailableError
        If something cannot be installed.
    """
    place = folder / environment.name
    interpreter, ready = place / "bin" / "python", place / "ready"
    wanted = hashlib.sha256(json.dumps(asdict(environment)).encode()).hexdigest()
    if ready.exists() and ready.read_text() == wanted:
        return interpreter
    print(f"Making an environment for {environment.name} in {place}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(place)])
    if environment.debian:
        _add_debian(environment.debian, place, interpreter)
    constraints = ["-c", str(ROOT / "constraints.txt")] if environment.pinned else []
    _run(
        [str(interpreter), "-m", "pip", "install", "--quiet", *environment.packages, *constraints],
        more={**libraries(place), "VKFFT_BACKEND": "opencl"},
    )
    ready.write_text(wanted)
    return interpreter


def libraries(place: Path) -> dict[str, str]:
    """Return the variables by which compilers and programs find what Debian packages brought to an environment; often none."""
    root = place / "debian" / "root" / "usr"
    found = sorted(str(folder) for folder in root.glob("lib/*-linux-gnu"))
    if not found:
        return {}
    where = os.pathsep.join(found)
    return {"CPATH": str(root / "include"), "LIBRARY_PATH": where, "LD_LIBRARY_PATH": where}


def _add_debian(packages: tuple[str, ...], place: Path, interpreter: Path) -> None:
    """Unpack Debian packages in an environment, and take their Python modules; apt gets lists and a cache of its own."""
    work = place / "debian"
    for part in ("lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True)
    files = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    texts = [f.read_text() for f in files if f.is_file() and f.suffix in (".list", ".sources")]
    (work / "backports.sources").write_text(backports(texts, _codename()))
    options = {
        "Dir::Etc::sourcelist": work / "backports.sources",
        "Dir::Etc::sourceparts": work / "none",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
    }
    apt = ["apt-get", "-q", *(x for name, value in options.items() for x in ("-o", f"{name}={value}"))]
    _run([*apt, "update"])
    _run([*apt, "download", *packages], work)
    for file in work.glob("*.deb"):
        _run(["dpkg-deb", "-x", str(file), str(work / "root")])
    site = _run([str(interpreter), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    shutil.copytree(work / "root" / "usr" / "lib" / "python3" / "dist-packages", site, dirs_exist_ok=True)


def backports(sources: Iterable[str], codename: str) -> str:
    """Return a source of a Debian release and its backports, at the mirror that the given sources name for the release.

    Both ways to write a source are understood: a line `deb [options] mirror suite components`, and fields.

    Raises
    ------
    UnavailableError
        If no source is one of this release.
    """
    fields: dict[str, str] = {}
    for text in sources:
        for line in re.findall(r"(?m)^deb\s.*$", text):
            found = re.match(
                r"deb\s+(?:\[(?P<options>.*?)\]\s+)?(?P<mirror>\S+)\s+(?P<suite>\S+)\s", line + " "
            )
            if found and found["suite"] == codename:
                signed = re.search(r"signed-by=(\S+)", found["options"] or "")
                fields = {"URIs": found["mirror"], **({"Signed-By": signed[1]} if signed else {})}
        for stanza in re.split(r"\n\s*\n", text):
            lines = [line for line in stanza.splitlines() if not line.startswith("#")]
            entries = dict(re.findall(r"(?m)^(\S+):\s*(.*)$", "\n".join(lines)))
            if codename in entries.get("Suites", "").split():
                fields = {name: entries[name] for name in ("URIs", "Signed-By") if name in entries}
    if not fields:
        raise UnavailableError("apt has no source of a Debian release here")
    fields = {"Types": "deb", **fields, "Suites": f"{codename} {codename}-backports", "Components": "main"}
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _codename() -> str:
    try:
        release = Path("/etc/os-release").read_text()
    except OSError:
        release = ""
    found = re.search(r"(?m)^VERSION_CODENAME=(\w+)$", release)
    if not re.search(r"(?m)^ID=debian$", release) or not found:
        raise UnavailableError("its package is Debian's, and this is no Debian")
    return found[1]


def _run(command: list[str], folder: Path | None = None, more: Mapping[str, str] | None = None) -> str:
    """Run a command, with more variables in its environment, and return what it prints."""
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | dict(more or {})
    try:
        done = subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, timeout=1200)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{command[0]}: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UnavailableError(f"{Path(command[0]).name} failed: {said[-1] if said else done.returncode}")
    return done.stdout
