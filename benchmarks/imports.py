"""What `import dicebeam` costs, and what its public modules cost beside TensorFlow, which they need.

    python -m benchmarks.imports

Fresh processes that take turns; the median time beyond a process that imports nothing is printed.
"""

import argparse
import statistics
import sys

from benchmarks import processes

STATEMENTS = {
    "nothing": "pass",
    "dicebeam": "import dicebeam",
    "command line": "import dicebeam.pipeline.cli",
    "tensorflow": "import tensorflow",
    "losses and metrics": "from dicebeam import losses, metrics",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = range(parser.parse_args().rounds)

    seconds: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in rounds:
        for name, statement in STATEMENTS.items():
            seconds[name].append(processes.run([sys.executable, "-c", statement]).seconds)
    nothing = statistics.median(seconds.pop("nothing"))
    for name, found in seconds.items():
        print(f"imports: {name} {1000 * (statistics.median(found) - nothing):.1f} ms")


if __name__ == "__main__":
    main()
