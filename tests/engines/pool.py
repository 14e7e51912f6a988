"""Beam's worker pool at one address of this machine: `python -m tests.engines.pool HOST PORT`.

Beam's own command listens everywhere, so that one machine cannot stand for two. Two TaskManagers must not share a pool:
both number their workers from 1-1, and what one of them stops is the other's.
"""

import sys

import grpc
from apache_beam.portability.api import beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
from apache_beam.utils import thread_pool_executor


def serve(host: str, port: int) -> None:
    """Start workers as processes whenever a TaskManager asks for one, until this process is killed."""
    server = grpc.server(thread_pool_executor.shared_unbounded_instance())
    assert server.add_insecure_port(f"{host}:{port}") == port
    pool = BeamFnExternalWorkerPoolServicer(use_process=True, data_buffer_time_limit_ms=-1)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
