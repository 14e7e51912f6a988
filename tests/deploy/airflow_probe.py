"""Run by Airflow's Python: parse a folder of DAGs, run the nightly one once for each exit code, say what became of it.

Arguments: the folder, the file that the stub reads its exit code from, and the codes.
"""

import json
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag


def main(folder, code_file, *codes):
    bag = DagBag(dag_folder=folder)
    states = {}
    for code in codes if not bag.import_errors else ():
        Path(code_file).write_text(code)
        run = bag.dags["dicebeam_nightly"].test()
        (task,) = run.get_task_instances()
        states[code] = {"run": str(run.state), "task": str(task.state), "date": f"{run.run_after:%Y%m%d}"}
    dags = {name: [task.task_id for task in dag.tasks] for name, dag in bag.dags.items()}
    print(json.dumps({"errors": bag.import_errors, "dags": dags, "states": states}))  # noqa: T201 - to the test


main(*sys.argv[1:])
