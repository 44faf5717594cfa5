"""The program under test."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def path() -> str:
    """The program that was built, or the one that AUDITSSH names."""
    given = os.environ.get("AUDITSSH")
    program = Path(given) if given else ROOT / "target" / "debug" / "auditssh"
    if not program.is_file():
        raise FileNotFoundError(f"{program} is missing: run ./test, which builds it")
    return str(program.resolve())


def run(*args, input: bytes | None = None, check: bool = True, timeout: float = 60):
    """Runs one of its commands to the end; standard output and error are bytes."""
    done = subprocess.run(
        [path(), *map(str, args)],
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        timeout=timeout,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"auditssh {' '.join(map(str, args))}: {done.returncode}\n{done.stderr.decode()}")
    return done
