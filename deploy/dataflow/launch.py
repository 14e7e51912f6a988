"""What the Flex Template starts: an evaluation with the parameters of metadata.json, submitted and not waited for."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Submit one evaluation. Whatever is no parameter of the template is Beam's."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--config", required=True)
    parser.add_argument("--run_id")
    parser.add_argument("--model")
    parser.add_argument("--examples")
    parser.add_argument("--output")
    given, flags = parser.parse_known_args(arguments)

    import apache_beam as beam  # noqa: PLC0415 - after the parameters have been checked
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415

    from dicebeam.pipeline.config import config_file  # noqa: PLC0415
    from dicebeam.pipeline.plans import evaluation_plan, trial  # noqa: PLC0415

    overrides = [f"{key}={value}" for key in ("model", "examples", "output") if (value := getattr(given, key))]
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "config.yaml"
        with FileSystems.open(given.config) as file:
            local.write_bytes(file.read())
        settings = config_file.load(str(local), overrides)
    made = evaluation_plan.make_plan(settings, given.run_id or None, flags)
    with trial.tried(made, lambda line: sys.stderr.write(f"dicebeam: {line}\n")):
        pipeline = beam.Pipeline(options=made.options)
        made.wire(pipeline)
        pipeline.run()
    sys.stderr.write(f"dicebeam: run {made.run.run_id}: submitted\n")


if __name__ == "__main__":
    main()
