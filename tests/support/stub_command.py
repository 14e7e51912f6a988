"""A command named dicebeam that writes down how it was called and exits as it is told."""

import json
import os
from datetime import UTC, datetime, timedelta

CODES = (0, 1, 2, 3, 4, 5)
_SCRIPT = """#!/usr/bin/env python3
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps({"args": sys.argv[1:], "cwd": os.getcwd()}) + "\\n")
if "--out" in sys.argv:
    pathlib.Path(sys.argv[sys.argv.index("--out") + 1]).write_text("<html>the page</html>")
    sys.exit(0)
print("what dicebeam printed")
sys.exit(int((here / "code").read_text()))
"""


class Stub:
    """The command, in a folder of its own."""

    def __init__(self, folder, code):
        folder.mkdir()
        self.folder, self.path = folder, folder / "dicebeam"
        self.path.write_text(_SCRIPT)
        self.path.chmod(0o755)
        (folder / "code").write_text(str(code))

    @property
    def environment(self):
        """Variables with which a shell finds it first."""
        return {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}

    @property
    def calls(self):
        """The arguments of each call, in order."""
        return [call["args"] for call in self._calls()]

    @property
    def folders(self):
        """The working directory of each call."""
        return [call["cwd"] for call in self._calls()]

    def _calls(self):
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def days():
    """Yesterday, today and tomorrow: a test that runs at midnight, or in another zone, is in one of them."""
    return [datetime.now(UTC) + timedelta(days) for days in (-1, 0, 1)]


def of_a_night(args, config="nightly.yaml"):
    """Whether a call is the nightly one, with a model and a run id of a date of now."""
    models = [f"model=models/{day:%Y-%m-%d}" for day in days()]
    run_ids = [f"n{day:%Y%m%d}" for day in days()]
    return [*args[:3], args[4]] == ["nightly", config, "--set", "--run-id"] and (args[3] in models, args[5:]) in [
        (True, [run_id]) for run_id in run_ids
    ]
