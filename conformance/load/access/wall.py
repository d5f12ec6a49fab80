"""Row-level security alone, measured by the repository's own program (`tests/load/paired_rls.py`)."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from conformance.load.access.bare import CHECKOUT, BareError
from conformance.load.access.paired import figures

_PROGRAM: Final = "tests.load.paired_rls"


def wall_cost(
    data: Path, token: str, paths: Mapping[str, Sequence[str]], pairs: int
) -> dict[str, dict[str, Any]]:
    """Return the figures of each kind of `paths` (below the FHIR base), asked with `token` of the server on `data`.

    Raises `BareError` where the program does not run: outside of a checkout.
    """
    command = [sys.executable, "-m", _PROGRAM, "--data", str(data), "--pairs", str(pairs)]
    asked = json.dumps(
        {"token": token, "paths": {kind: list(each) for kind, each in paths.items()}}
    )
    done = subprocess.run(
        command, cwd=CHECKOUT, input=asked, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise BareError("the measurement of row-level security failed; it runs in a checkout only")
    return {kind: figures(each) for kind, each in json.loads(done.stdout).items()}
