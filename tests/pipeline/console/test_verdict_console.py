"""What is printed of a verdict, at 80 columns and in a pipe."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from dicebeam.components.wording.visible_text import escaped
from dicebeam.pipeline.console import verdict_console
from tests.support import verdicts


def shown(verdict, width=80):
    out = io.StringIO()
    verdict_console.show(Console(file=out, width=width), verdict)
    return out.getvalue()


def rows(text):
    return [line.split() for line in text.splitlines() if line.split() and line.split()[0] in verdicts.ALL]


def test_the_last_line_is_the_verdict():
    text = shown(verdicts.verdict(verdicts.check("REGRESSED"), verdicts.check(improved=True)))
    assert text.splitlines()[-1] == (
        "gate: REGRESSED: 1 REGRESSED, 1 PASS, 1 improved; run n20261124 against n20261123 (exit code 1)"
    )


def test_without_baseline_and_checks():
    text = shown(verdicts.verdict(verdict="NO_BASELINE", baseline_run_id=None, headline=(), reasons=("none yet",)))
    assert text.splitlines() == [
        "none yet",
        "1,000 records = 999 scored + 1 failed",
        "gate: NO_BASELINE: no checks; run n20261124 without a baseline (exit code 4)",
    ]


def test_the_worst_come_first_and_their_messages_follow():
    text = shown(verdicts.one_of_each(), 1000)
    table = [row[0] for row in rows(text)]
    assert table[:7] == ["INVALID", "REGRESSED", "OUT_OF_BOUNDS", "NO_BASELINE", "INCONCLUSIVE", "PASS", "SKIPPED"]
    assert "REGRESSED this is REGRESSED\n" in text
    assert "this is PASS" not in text


def test_a_row_in_a_pipe_is_one_line():
    text = shown(verdicts.verdict(verdicts.check("REGRESSED", slice="site=A/scanner=2")), 10_000)
    assert rows(text)[0] == [
        "REGRESSED", "dice_mean", "max_drop", "0.01", "car", "site=A/scanner=2", "0.8000", "0.8500", "-0.0500",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 60])
def test_the_tables_fit_the_terminal(width):
    line = verdicts.check(
        "OUT_OF_BOUNDS", metric="precision_pooled", class_name="traffic light", slice="site=north/day=1"
    )
    text = shown(verdicts.verdict(line, message_free(line)), width)
    table = text[: text.index("gate:")].splitlines()
    assert all(cell_len(text) <= width for text in table if "this is" not in text)
    for part in ("OUT_OF_BOUNDS", "0.8000", "0.8500", "-0.0500"):
        assert part in text


def message_free(check):
    return verdicts.check("PASS", metric=check.metric, class_name=check.class_name, slice=check.slice)


def test_every_failure_and_thirty_passes():
    checks = [verdicts.check()] * 100 + [verdicts.check("REGRESSED", message="m")] * 40
    text = shown(verdicts.verdict(*checks), 200)
    found = [row[0] for row in rows(text) if "dice_mean" in row]
    assert (found.count("REGRESSED"), found.count("PASS")) == (40, 30)
    assert "and 70 more that passed or were skipped" in text
    assert text.count("REGRESSED m\n") == verdict_console.MOST_MESSAGES


def test_the_headline_under_each_rule():
    text = shown(verdicts.verdict(verdicts.check()), 120)
    assert "absent classes counted as 0" in text
    assert "+0.0020 to +0.0180" in text


@pytest.mark.parametrize("text", verdicts.HOSTILE)
def test_hostile_text_is_printed_as_text(text):
    printed = shown(verdicts.hostile(text), 10_000)
    assert all(
        line.isprintable() or "\u200d" in line or "\u00a0" in line
        for line in printed.split("\n")
        if "\ufffe" not in line
    )
    assert f"REGRESSED {escaped(text)}".rstrip() in "\n".join(line.rstrip() for line in printed.splitlines())
    assert "\x1b" not in printed


def test_many_reasons():
    printed = shown(verdicts.verdict(verdicts.check(), reasons=("r",) * 50))
    assert "and 30 more reasons" in printed


# the data


def test_the_data_have_a_block_of_their_own():
    steady = verdicts.moved("PASS", class_name="car")
    text = shown(verdicts.drifted(verdicts.check("REGRESSED"), drift=[steady, verdicts.moved()]), 100)
    block = text.partition("class or channel")[2].splitlines()
    assert [line.split() for line in block[2:4]] == [
        ["DRIFTED", "channel_mean", "max_change", "0.02", "channel", "2", "0.00123", "0.00234", "-0.00111"],
        ["PASS", "class_pixels", "max_change", "0.02", "car", "0.00123", "0.00234", "-0.00111"],
    ]
    assert "\nDRIFTED the data are DRIFTED\nthe data changed, not the model\n" in text
    assert "the data are PASS" not in text
    assert text.splitlines()[-1].startswith("gate: DRIFTED: 1 DRIFTED, 1 REGRESSED, 1 PASS; run n20261124 against")
    assert text.splitlines()[-1].endswith("(exit code 5)")


def test_data_that_only_warn():
    text = shown(verdicts.drifted(verdicts.check(), drift=[verdicts.moved(decides=False)]), 200)
    assert "DRIFTED (warns) channel_mean" in text
    assert "gate: PASS: 1 DRIFTED, 1 PASS (1 of them only warns); run n20261124 against" in text
    two = shown(verdicts.drifted(verdicts.check(), drift=[verdicts.moved("INVALID", decides=False)] * 2), 200)
    assert "2 INVALID, 1 PASS (2 of them only warn)" in two


@pytest.mark.parametrize("width", [80, 60])
def test_the_table_of_the_data_fits_the_terminal(width):
    line = verdicts.moved(class_name="traffic light", decides=False, message="")
    text = shown(verdicts.drifted(verdicts.check(message=""), drift=[line] * 3, says=""), width)
    table = text[: text.index("mean Dice")].splitlines()
    assert all(cell_len(text) <= width for text in table)
    assert "0.00123" in text


def test_many_classes_of_the_data():
    many = [verdicts.moved("PASS", class_name=f"c{i}") for i in range(100)]
    text = shown(verdicts.drifted(verdicts.check(), drift=many, says=None), 200)
    assert "and 70 more that passed or were skipped" in text
