"""The clients of gs:// and s3:// that Beam's filesystems are made of."""

import copy
import functools
from typing import Any

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from ...schemas.errors import StorageError


def _options() -> PipelineOptions:
    return FileSystems._pipeline_options or PipelineOptions([])  # noqa: SLF001 - Beam has no public way to ask


def beams(path: str) -> Any:  # noqa: ANN401 - Beam has no types
    """What Beam's filesystem of the path is made of. It keeps where it reads: every file has its own."""
    from apache_beam.io.aws.s3io import S3IO  # noqa: PLC0415 - some seconds, for those who have buckets there
    from apache_beam.io.gcp.gcsio import GcsIO  # noqa: PLC0415 - as above

    if path.startswith("gs://"):
        return GcsIO(pipeline_options=_options())
    return S3IO(client=copy.copy(_s3_client(_options())))


def gs() -> Any:  # noqa: ANN401 - Google's client has no types here
    """Google's client."""
    return beams("gs://").client


def s3() -> Any:  # noqa: ANN401 - boto3 has no types
    """Amazon's client."""
    return _s3_client(_options()).client


@functools.lru_cache(maxsize=8)
def _s3_client(options: PipelineOptions) -> Any:  # noqa: ANN401 - as above
    """One for a process: it takes longer to make than to use. What it holds of boto3 may be used by several threads."""
    from apache_beam.io.aws.s3io import BOTO3_INSTALLED, S3IO  # noqa: PLC0415 - as above

    if not BOTO3_INSTALLED:
        msg = "s3:// cannot be used: expected boto3, but it is not installed; install dicebeam with the extra aws"
        raise StorageError(msg)
    return S3IO(options=options).client
