"""From a config and a run id to the compaction of that run: no pipeline, no model, no TensorFlow."""

from collections.abc import Sequence

from ...components.runs import run_files
from ...components.runs.run_files import Place
from ...components.samples import compaction
from ...components.samples.compaction import Compacted
from ...components.storage import filesystems
from ...schemas.config.config import Config
from ...schemas.errors import TablesError
from ..runner import options


def compact(config: Config, run_id: str, flags: Sequence[str]) -> Compacted:
    """Find the run and merge its files. Of the config only `output` is used; of the flags, storage options.

    Raises:
        TablesError: if there is no such run. UnfinishedRunError: if it is not finished.
    """
    filesystems.use_options(options.pipeline_options(flags))
    output = filesystems.absolute(config.output)
    date = run_files.find_eval_date(output, run_files.check_run_id(run_id))
    if date is None:
        msg = f"there is no run {run_id!r}: expected its sample files below {output}/samples"
        raise TablesError(msg)
    return compaction.compact(Place(output, date, run_id))
