"""What every test shares: quiet libraries, and the real data where it is beside the checkout."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import pandas as pd

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

settings.register_profile("dicebeam", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("dicebeam")

REAL_DATA = Path(os.environ.get("DICEBEAM_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real records, models and independent truth; absent from most checkouts."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real data set is not at {REAL_DATA}; set DICEBEAM_REAL_DATA to where it is")
    return REAL_DATA


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, "dict[str, pd.DataFrame]"]:
    """Thirty nights of tables: their folder, and each table as a data frame."""
    from tests.support import history  # noqa: PLC0415 - imports what most tests do without

    output = str(tmp_path_factory.mktemp("nights") / "reports")
    return output, history.make(output)


@pytest.fixture(scope="session")
def made_transform(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a transform that tensorflow-transform made: it takes seconds, so there is one for all tests."""
    from tests.support import transforming  # noqa: PLC0415 - as above

    labelled = [transforming.record(index, label=index % 3) for index in range(6)]
    return transforming.analyze(tmp_path_factory.mktemp("tft"), labelled)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What is in buckets that are kept in memory, by path; it begins empty."""
    from tests.support import memory_storage  # noqa: PLC0415 - as above

    return memory_storage.install(monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def heed_ctrl_c() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C: these tests, and every process they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
