"""dicebeam every night on Airflow 3: copy into the folder of your DAGs.

To edit: the constants below, and `schedule`. The workers need dicebeam on their PATH (or its full path in COMMAND)
and FOLDER, which stays from night to night and holds nightly.yaml, models and data.

Verdict and report: <output>/gate/eval_date=.../run_id=nYYYYMMDD/ (verdict.json, summary.md, junit.xml, BLESSED or
NOT_BLESSED, report.html); what was printed is the task's log.

Exit codes: 0 is success. 3, inconclusive, skips the task: nothing is broken, nobody is called, and a task that deploys
the model, downstream with the usual trigger rule, is skipped with it. 1, 2, 4 and 5 fail the task without another
try, because it would say the same. Anything else means that the command was killed, and is tried again.

Again: all tries of a night have one run id, and resume: finished shards are kept.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

FOLDER = "/srv/dicebeam"
COMMAND = (
    "dicebeam nightly nightly.yaml --set model=models/{{ dag_run.run_after | ds }}"
    " --run-id n{{ dag_run.run_after | ds_nodash }}"
)

INCONCLUSIVE = 3
FINAL = {
    1: "regressed, or out of bounds",
    2: "the run failed, and its log says why",
    4: "no baseline: bless a run with dicebeam gate nightly.yaml --bless ID",
    5: "invalid: the run, or the comparison, is not to be believed",
}


class Nightly(BashOperator):
    """A BashOperator that knows what dicebeam's exit codes mean."""

    def execute(self, context: Context) -> None:
        """Run the command, and turn its exit code into the state of the task."""
        done = self.subprocess_hook.run_command(
            ["bash", "-c", f"exec {self.bash_command}"], env=self.get_env(context), cwd=self.cwd
        )
        if done.exit_code == INCONCLUSIVE:
            raise AirflowSkipException("dicebeam: inconclusive: too few samples to tell")
        if done.exit_code in FINAL:
            raise AirflowFailException(f"dicebeam: exit code {done.exit_code}: {FINAL[done.exit_code]}")
        if done.exit_code:
            raise AirflowException(f"dicebeam was stopped with exit code {done.exit_code}")


with DAG(
    dag_id="dicebeam_nightly",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["dicebeam"],
    doc_md=__doc__,
) as dag:
    Nightly(
        task_id="nightly",
        bash_command=COMMAND,
        cwd=FOLDER,
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=6),
    )
