"""dicebeam every night on Kubeflow Pipelines 2: `python deploy/kubeflow_pipeline.py` writes kubeflow_pipeline.yaml.

To edit: IMAGE (any with dicebeam installed), and where the pipeline runs: upload kubeflow_pipeline.yaml, and give it a
recurring run with your `config`, `model` and `output`. All three are in buckets, or on a volume that the image's
container has; `output` must be the same every night, because baselines are looked for there.

Verdict and report: the task `nightly` has the page as an HTML artifact, and the exit code as an output;
<output>/gate/eval_date=.../run_id=.../ has verdict.json, summary.md, junit.xml, BLESSED or NOT_BLESSED.

Exit codes: a component that fails keeps no artifacts, so `nightly` succeeds with any verdict, and `passed` after it
fails unless that is 0. What deploys the model goes after `passed`. Where the run itself failed (2) or was killed,
`nightly` fails, and is tried twice more.

Again: all tries have the run id of the pipeline's run, and resume: finished shards are kept.
"""

from pathlib import Path

from kfp import compiler, dsl

IMAGE = "registry.example.com/dicebeam:0.2.0"
COMPILED = Path(__file__).with_suffix(".yaml")


@dsl.component(base_image=IMAGE, install_kfp_package=True)
def nightly(config: str, model: str, output: str, run_id: str, report: dsl.Output[dsl.HTML]) -> int:
    """Evaluate and judge tonight's model; returns the exit code of its verdict."""
    import subprocess  # noqa: PLC0415 - a component is taken out of this file

    options = [config, "--set", f"model={model}", "--set", f"output={output}", "--run-id", run_id]
    code = subprocess.run(["dicebeam", "nightly", *options], check=False).returncode
    verdicts = (0, 1, 3, 4, 5)
    if code not in verdicts:
        raise RuntimeError(f"dicebeam nightly: exit code {code}: the run failed, and the log above says why")
    subprocess.run(["dicebeam", "report", *options, "--out", report.path], check=False)
    return code


@dsl.component(base_image=IMAGE, install_kfp_package=True)
def passed(exit_code: int) -> None:
    """Fail unless the model has passed."""
    meaning = {1: "regressed, or out of bounds", 3: "inconclusive", 4: "no baseline", 5: "invalid"}
    if exit_code:
        raise RuntimeError(f"dicebeam nightly: exit code {exit_code}: {meaning.get(exit_code, 'failed')}")


@dsl.pipeline(name="dicebeam-nightly", description="Evaluate tonight's model and hold it against its baseline")
def dicebeam_nightly(config: str, model: str, output: str) -> None:
    """The pipeline."""
    judged = nightly(config=config, model=model, output=output, run_id=f"n{dsl.PIPELINE_JOB_ID_PLACEHOLDER}")
    judged.set_retry(num_retries=2, backoff_duration="60s")
    judged.set_caching_options(enable_caching=False)
    judged.set_cpu_request("4").set_memory_request("8G").set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1)
    passed(exit_code=judged.outputs["Output"]).set_caching_options(enable_caching=False)


if __name__ == "__main__":
    compiler.Compiler().compile(dicebeam_nightly, str(COMPILED))
