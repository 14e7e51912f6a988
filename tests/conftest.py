"""What every test shares: quiet libraries, and the real data where it is beside the checkout."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

REAL_DATA = Path(os.environ.get("DICEBEAM_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real records, models and independent truth; absent from most checkouts."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real data set is not at {REAL_DATA}; set DICEBEAM_REAL_DATA to where it is")
    return REAL_DATA
