#!/usr/bin/env python3
"""Chores of this repository, from a bare Python: each one sets up all it needs.

python3 tasks.py demo [--person N] [--out DIR] [--steps N] [--port N] [--venv DIR]
python3 tasks.py lint [--venv DIR]
python3 tasks.py test [--venv DIR] [-k EXPR] [--full-size] [pytest arguments]
python3 tasks.py campaign [--minutes N] [--only PART] [--seed N] [--out FILE] [--venv DIR]
python3 tasks.py gpu [--minutes N] [--device cuda|cpu] [--only PART ...] [--out DIR] [--venv DIR]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).absolute().parent
CACHE = ROOT / ".cache"
# One matching set from PyPI; the host asks for "torch" without a version.
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
# Builds for GPUs that the one from PyPI does not find: on Windows, with older drivers, and by AMD.
TORCH_INDEX = "https://download.pytorch.org/whl/"
CUDA_BUILD, OLDER_CUDA_BUILD, ROCM_BUILD = "cu130", "cu126", "rocm7.2"
AMD_DEVICE = Path("/dev/kfd")
COMFYUI_GIT = "https://github.com/comfyanonymous/ComfyUI"
CLONE_SECONDS = 60
PIP = "pip>=25.1"  # from which on it knows --group
TESTS, DEMO = "dev", "demo"  # groups of pyproject.toml: what tests and lint need, and the part that the demo needs
WORKERS = 4  # on any number of cores: tests wait half of their time, for a server, a browser or another process
# Tiny models are fastest on one thread; where more are asked for, threads that wait must not take the others' cores.
THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


class TaskError(Exception):
    """A chore cannot be done; the text says what was found, needed, and to do."""


@dataclass(frozen=True)
class Host:
    path: Path
    version: str


@dataclass
class Report:
    """What one pytest run did, read from its JUnit file."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    xfailed: int = 0
    host_ran: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def say(text: str) -> None:
    print(text, flush=True)


# ComfyUI -----------------------------------------------------------------------------------------


def is_comfyui(folder: Path) -> bool:
    return (folder / "main.py").is_file() and (folder / "folder_paths.py").is_file() and (folder / "comfy").is_dir()


def host_at(folder: Path) -> Host:
    version_file = folder / "comfyui_version.py"
    text = version_file.read_text(encoding="utf-8") if version_file.is_file() else ""
    found = re.search(r"__version__\s*=\s*[\"']([^\"']+)", text)
    return Host(folder.resolve(), found[1] if found else "of unknown version")


def find_host() -> Host | None:
    """$COMFYUI_PATH, the ComfyUI that holds this pack, ~/comfy/ComfyUI, or a fresh clone."""
    wanted = os.environ.get("COMFYUI_PATH", "").strip()
    if wanted.lower() == "none":
        say("COMFYUI_PATH=none: NO COMFYUI IS USED, AS ASKED")
        return None
    if wanted:
        folder = Path(wanted).expanduser().absolute()
        if not is_comfyui(folder):
            raise TaskError(
                f"COMFYUI_PATH is {wanted!r}, and {folder} is not a ComfyUI: main.py, folder_paths.py and comfy/ "
                "are needed there. Point COMFYUI_PATH at such a folder, unset it, or set COMFYUI_PATH=none."
            )
        return host_at(folder)
    near = [ROOT.parents[1]] if ROOT.parent.name == "custom_nodes" else []
    for folder in [*near, Path.home() / "comfy" / "ComfyUI", CACHE / "ComfyUI"]:
        if is_comfyui(folder):
            return host_at(folder)
    return clone_host(CACHE / "ComfyUI")


def clone_host(target: Path) -> Host | None:
    say(f"No ComfyUI on this machine: cloning {COMFYUI_GIT} ({CLONE_SECONDS} s at most)")
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n", encoding="utf-8")
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    command = ["git", "clone", "--quiet", "--depth", "1", COMFYUI_GIT, str(part)]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        subprocess.run(command, env=environment, timeout=CLONE_SECONDS, check=True)
        part.rename(target)
        return host_at(target)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(part, ignore_errors=True)
        say(f"NO COMFYUI COULD BE HAD ({error}). GOING ON WITHOUT; SET COMFYUI_PATH TO ONE.")
        return None


# Python ------------------------------------------------------------------------------------------


def venv_folder(option: str | None) -> Path:
    return Path(option or os.environ.get("STABLEIDENTITY_VENV") or ROOT / ".venv").expanduser().absolute()


def requirement_files(host: Host | None) -> list[Path]:
    return ([host.path / "requirements.txt"] if host else []) + [ROOT / "requirements.txt"]


def dependency_groups() -> str:
    """The section of pyproject.toml, read without tomllib, which Python 3.10 lacks."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r"^\[dependency-groups\]\n.*?(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise TaskError(f"{ROOT / 'pyproject.toml'} has no [dependency-groups]; the group {TESTS} is needed there.")
    return found[0]


def stamp_lines(files: Sequence[Path], group: str = TESTS) -> list[str]:
    """One hash per requirement input, so that a run without a host fits a venv made with one."""
    groups = f"{group} of {dependency_groups()}".encode()
    inputs = [" ".join(TORCH).encode(), groups, *(file.read_bytes() for file in files)]
    return [hashlib.sha256(text).hexdigest() for text in inputs]


def ensure_venv(folder: Path, host: Host | None, group: str = TESTS) -> Path:
    """Make the venv and install what is needed, unless its stamp says that this was done; gives its python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    files = requirement_files(host)
    stamp, lines = folder / "stableidentity-stamp.txt", stamp_lines(files, group)
    done = set(stamp.read_text(encoding="utf-8").split()) if python.exists() and stamp.is_file() else set()
    if set(lines) <= done or set(stamp_lines(files, TESTS)) <= done:  # the tests need all that the demo needs
        return python
    stamp.unlink(missing_ok=True)
    if not python.exists():
        quietly([sys.executable, "-m", "venv", str(folder)], f"make a virtual environment in {folder}")
    say(f"Installing into {folder} (the first time several GB; this takes minutes)")
    options = [option for file in files for option in ("-r", str(file))]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    quietly([*pip, "--upgrade", PIP], "install a pip that knows dependency groups")
    quietly([*pip, *TORCH, *options, "--group", f"{ROOT / 'pyproject.toml'}:{group}"], "install the requirements")
    stamp.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return python


def ensure_gpu_torch(python: Path) -> None:
    """Install the torch of this machine's GPU if there is one that the venv's torch does not find."""
    build = gpu_build()
    if not build or finds_gpu(python):
        return
    say(f"The installed torch finds no GPU: installing {TORCH[0]} from {TORCH_INDEX}{build}")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    quietly([*pip, *TORCH, "--index-url", TORCH_INDEX + build], "install torch for the GPU (--device cpu needs none)")


def gpu_build() -> str:
    """The build of torch for this machine's GPU, by its driver; empty where there is none."""
    if shutil.which("nvidia-smi"):
        shown = subprocess.run(["nvidia-smi"], stdout=subprocess.PIPE, text=True).stdout
        cuda = re.search(r"CUDA Version:\s*(\d+)", shown)
        return "" if not cuda else CUDA_BUILD if int(cuda[1]) >= 13 else OLDER_CUDA_BUILD
    return ROCM_BUILD if AMD_DEVICE.exists() else ""


def finds_gpu(python: Path) -> bool:
    look = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([str(python), "-c", look], stderr=subprocess.DEVNULL).returncode == 0


def quietly(command: Sequence[str], purpose: str) -> None:
    """Run a command whose output matters only if it fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as error:
        raise TaskError(f"Could not {purpose}: {error}.") from error
    if done.returncode:
        say("\n".join(done.stdout.splitlines()[-30:]))
        raise TaskError(
            f"Could not {purpose}: {' '.join(command[:4])} ... ended with code {done.returncode}; the end of its "
            "output is above. Check the network and the free disk space, then run this again."
        )


# Lint --------------------------------------------------------------------------------------------


def lint(options: argparse.Namespace, rest: Sequence[str]) -> int:
    if rest:
        raise TaskError(f"lint does not know {' '.join(rest)}; python3 tasks.py lint --help lists what it does.")
    _host, python = prepare(options)
    checks = {
        "ruff check": ["ruff", "check", "."],
        "ruff format --check": ["ruff", "format", "--check", "."],
        "pyright": ["pyright", f"--pythonpath={python}"],
    }
    failed = []
    for name, command in checks.items():
        say(f"== {name}")
        if subprocess.run([str(python), "-m", *command], cwd=ROOT).returncode:
            failed.append(name)
    say(f"LINT FAILED: {', '.join(failed)}; the reasons are above" if failed else "Lint: nothing found")
    return 1 if failed else 0


# Tests -------------------------------------------------------------------------------------------


def run_pytest(python: Path, host: Host | None, arguments: Sequence[str]) -> tuple[int, Report | None]:
    tests = ROOT / "tests"
    where = [] if any((ROOT / argument.split("::")[0]).exists() for argument in arguments) else [str(tests)]
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        # The pack's root has an __init__.py for ComfyUI; pytest must not take it for a package of tests.
        command = [str(python), "-m", "pytest", "-c", str(tests / "pytest.ini"), "--rootdir", str(tests)]
        # A file stays with one worker, and each worker has a server of its own; `-n 0` among the arguments undoes it.
        command += ["-n", str(WORKERS), "--dist", "loadfile", f"--junitxml={junit}", *arguments, *where]
        environment = {**THREADS, **os.environ, "COMFYUI_PATH": str(host.path) if host else "none"}
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        return code, read_report(junit) if junit.is_file() else None


def read_report(junit: Path) -> Report:
    report = Report()
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        skip = case.find("skipped")
        expected = skip is not None and skip.get("type") == "pytest.xfail"
        if skip is not None:
            reason = skip.get("message") or "no reason given"
            report.reasons[f"{'Failed as expected' if expected else 'Skipped'}: {reason}"] += 1
            report.xfailed += expected
            report.skipped += not expected
        bad = case.find("failure") is not None or case.find("error") is not None
        report.failed += bad
        report.passed += not bad and skip is None
        ran = skip is None or expected
        report.host_ran += ran and any(mark.get("name") == "host" for mark in case.iter("property"))
    return report


def tell(report: Report | None, host: Host | None, code: int, seconds: float) -> None:
    say("")
    if report is None or (code and not report.failed):
        say(f"TESTS BROKE OFF OR NONE WAS FOUND: pytest ended with code {code} and names the reason above")
    if report is None:
        return
    for reason, count in report.reasons.most_common():
        say(f"{count} x {reason}")
    counts = f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped"
    say(f"Tests: {counts}{f', {report.xfailed} failed as expected' if report.xfailed else ''} in {seconds:.0f} s")
    if host:
        say(f"Host tests: {report.host_ran} ran against ComfyUI {host.version} ({host.path})")
    else:
        say("HOST TESTS: NONE RAN, THERE WAS NO COMFYUI")


def prepare(options: argparse.Namespace, group: str = TESTS) -> tuple[Host | None, Path]:
    """The host, if there is one, and the python of a venv that has all it needs."""
    host = find_host()
    say(f"ComfyUI {host.version} in {host.path}" if host else "No ComfyUI")
    return host, ensure_venv(venv_folder(options.venv), host, group)


def test(options: argparse.Namespace, rest: Sequence[str]) -> int:
    host, python = prepare(options)
    arguments = [*(["-k", options.k] if options.k else []), *(["--full-size"] if options.full_size else []), *rest]
    started = time.monotonic()
    code, report = run_pytest(python, host, arguments)
    tell(report, host, code, time.monotonic() - started)
    return code


# Demo --------------------------------------------------------------------------------------------


def demo(options: argparse.Namespace, rest: Sequence[str]) -> int:
    if rest:
        raise TaskError(f"demo does not know {' '.join(rest)}; python3 tasks.py demo --help lists what it does.")
    host, python = prepare(options, DEMO)
    if host:
        say("The demo runs in this ComfyUI, on a server of its own that leaves everything installed in it alone")
    else:
        say("THE DEMO RUNS WITHOUT COMFYUI, through the pack's own core and diffusers")
    # -m finds the core in the folder it is started from, so paths are made absolute first.
    command = [str(python), "-m", "mini_world", f"--person={options.person}"]
    command += [f"--out={Path(options.out).expanduser().absolute()}"]
    command += [f"--{name}={value}" for name in ("steps", "port") if (value := getattr(options, name)) is not None]
    return become([*command, *([f"--comfyui={host.path}"] if host else [])])


# Campaign ----------------------------------------------------------------------------------------


def campaign(options: argparse.Namespace, rest: Sequence[str]) -> int:
    host, python = prepare(options)
    if not host:
        say("NO COMFYUI: THE PARTS OF THE CAMPAIGN THAT NEED A SERVER DO NOT RUN")
    os.environ["COMFYUI_PATH"] = str(host.path) if host else "none"
    os.environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    os.environ.update({**THREADS, **os.environ})
    command = [str(python), "-m", "campaign", f"--minutes={options.minutes}", f"--seed={options.seed}"]
    command += [f"--only={options.only}"] if options.only else []
    command += [f"--out={Path(options.out).expanduser().absolute()}"] if options.out else []
    return become([*command, *rest])


# GPU ---------------------------------------------------------------------------------------------


def gpu(options: argparse.Namespace, rest: Sequence[str]) -> int:
    host, python = prepare(options)
    if options.device != "cpu":
        ensure_gpu_torch(python)
    if not host:
        say("NO COMFYUI: WHAT CAN BE IS MEASURED THROUGH DIFFUSERS")
    os.environ["COMFYUI_PATH"] = str(host.path) if host else "none"
    os.environ["PYTHONPATH"] = os.pathsep.join(str(ROOT / folder) for folder in ("", "benchmarks", "tests"))
    command = [str(python), "-m", "gpu", f"--minutes={options.minutes}", f"--device={options.device}"]
    command += [f"--out={Path(options.out).expanduser().absolute()}"] if options.out else []
    return become([*command, *rest])


# All ---------------------------------------------------------------------------------------------


def become(command: Sequence[str]) -> int:
    """Go on as this program, so that a signal to stop reaches it and not only its parent."""
    if os.name != "nt":
        os.chdir(ROOT)
        os.execv(command[0], command)
    with subprocess.Popen(command, cwd=ROOT) as process:
        while process.poll() is None:
            with contextlib.suppress(KeyboardInterrupt):  # which the program got as well, and cleans up after
                process.wait()
        return process.returncode


def whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number; any whole number is a person, such as 7 or -3"
        ) from None


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    lints = commands.add_parser("lint", help="ruff check, ruff format --check and pyright", allow_abbrev=False)
    lints.add_argument("--venv", metavar="DIR", help="virtual environment to make or use (.venv)")
    lints.set_defaults(run=lint)
    tests = commands.add_parser("test", help="run all tests; further arguments go to pytest", allow_abbrev=False)
    tests.add_argument("--venv", metavar="DIR", help="virtual environment to make or use (.venv)")
    tests.add_argument("-k", metavar="EXPR", help="only tests that match, as in pytest")
    tests.add_argument("--full-size", action="store_true", help="also the tests with a full-size model")
    tests.set_defaults(run=test)
    demos = commands.add_parser("demo", help="learn a drawn person in the mini world, and see it", allow_abbrev=False)
    demos.add_argument("--person", type=whole_number, default=1, metavar="N", help="any whole number is a person (1)")
    demos.add_argument("--out", default=os.path.join("out", "demo"), metavar="DIR", help="for the results (out/demo)")
    demos.add_argument("--steps", type=int, metavar="N", help="of training")
    demos.add_argument("--port", type=int, metavar="N", help="of the ComfyUI that is started (a free one)")
    demos.add_argument("--venv", metavar="DIR", help="virtual environment to make or use (.venv)")
    demos.set_defaults(run=demo)
    campaigns = commands.add_parser(
        "campaign", help="treat the pack badly for some minutes: bad input, kills, cancels, a soak", allow_abbrev=False
    )
    campaigns.add_argument("--minutes", type=float, default=30.0, metavar="N", help="in all (30)")
    campaigns.add_argument("--only", metavar="PART", help="inputs, kills, races, cancels or soak alone")
    campaigns.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of all that is drawn (0)")
    campaigns.add_argument("--out", metavar="FILE", help="for the table too: .json, .md or plain text")
    campaigns.add_argument("--venv", metavar="DIR", help="virtual environment to make or use (.venv)")
    campaigns.set_defaults(run=campaign)
    gpus = commands.add_parser("gpu", help="measure all that only a GPU can tell, in one table", allow_abbrev=False)
    gpus.add_argument("--minutes", type=float, default=10.0, metavar="N", help="at most (10)")
    gpus.add_argument("--device", choices=["auto", "cuda", "cpu"], default="auto", help="a GPU if there is one (auto)")
    gpus.add_argument("--out", metavar="DIR", help="for gpu.json and gpu.md (benchmarks/results)")
    gpus.add_argument("--venv", metavar="DIR", help="virtual environment to make or use (.venv)")
    gpus.set_defaults(run=gpu)
    return parser.parse_known_args(arguments)


def main(arguments: Sequence[str]) -> int:
    options, rest = parse(arguments)
    try:
        if sys.version_info < (3, 10):  # noqa: UP036 - run by whatever python3 there is
            raise TaskError(f"This is Python {sys.version.split()[0]}; run this with Python 3.10 or newer.")
        return options.run(options, rest)
    except TaskError as error:
        print(f"tasks.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
