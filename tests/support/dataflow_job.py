"""Run a pipeline that was staged for Dataflow, as a worker has it: with what is installed, not with a checkout.

    python dataflow_job.py PIPELINE.pb

Every transform is unpickled here; the environment, a container's on Dataflow, becomes this process.
"""

import sys
from pathlib import Path

import apache_beam as beam
from apache_beam.internal import pickler
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

import dicebeam

PAR_DO = common_urns.primitives.PAR_DO.urn


def main() -> None:
    proto = beam_runner_api_pb2.Pipeline.FromString(Path(sys.argv[1]).read_bytes())
    par_dos = [t.spec.payload for t in proto.components.transforms.values() if t.spec.urn == PAR_DO]
    functions = [beam_runner_api_pb2.ParDoPayload.FromString(payload).do_fn for payload in par_dos]
    pickled = [function.payload for function in functions if function.urn == python_urns.PICKLED_DOFN_INFO]
    kinds = sorted({type(pickler.loads(payload)[0]).__module__ for payload in pickled})
    sys.stdout.write(f"{dicebeam.__file__}\n{' '.join(kinds)}\n")
    environment = EmbeddedPythonEnvironment.default().to_runner_api(None)
    for name in proto.components.environments:
        proto.components.environments[name].CopyFrom(environment)
    result = FnApiRunner().run_via_runner_api(proto, beam.options.pipeline_options.PipelineOptions([]))
    sys.stdout.write(f"{result.wait_until_finish()}\n")


if __name__ == "__main__":
    main()
