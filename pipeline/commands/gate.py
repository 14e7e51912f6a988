"""The commands of the gate: `gate`, `nightly` and `report`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ...schemas.errors import ConfigError
from ...schemas.verdict import GateVerdict
from ..console import command_lines
from . import library_output, terminal
from .arguments import ConfigPath, Overrides, RequireGpu, Verbose, with_gpu

if TYPE_CHECKING:
    from ...schemas.config.config import Config

Baseline = Annotated[
    str | None, typer.Option(metavar="ID|blessed|previous", help="Compare with another baseline than the config's.")
]


def gate(  # noqa: PLR0913, PLR0917 - typer's idiom
    context: typer.Context,
    config: ConfigPath,
    overrides: Overrides = None,
    run_id: Annotated[
        str | None, typer.Option(help="The run to judge; without it the last one of status done.")
    ] = None,
    baseline: Baseline = None,
    bless: Annotated[str | None, typer.Option(metavar="ID", help="Bless this run by hand; nothing is judged.")] = None,
    why: Annotated[str | None, typer.Option(metavar="TEXT", help="With --bless: the reason, which is kept.")] = None,
    verbose: Verbose = False,  # noqa: FBT002 - typer's idiom
) -> None:
    """Hold a finished run against its baseline and the config's checks. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from ..config import config_file

        settings = config_file.load(config, overrides or ())
        library_output.set_logging(verbose=verbose)
        if bless is not None:
            if run_id is not None or baseline is not None:
                raise ConfigError("--bless takes no --run-id and no --baseline: it blesses the run that it names")
            _bless(settings, bless, why, context.obj)
            return
        if why is not None:
            raise ConfigError("--why is the reason of a blessing by hand: it takes --bless ID")
        verdict, removed = _judge(config, overrides, settings, run_id, baseline, context.obj)
        page = command_lines.with_config("report", config, overrides, "--run-id", verdict.run_id, flags=context.obj)
        gone = f"removed the page of the earlier verdict: {removed}; to make it again: {page}"
        terminal.say(gone if removed else f"for a page with pictures: {page}")
        raise typer.Exit(verdict.exit_code)


def nightly(
    context: typer.Context,
    config: ConfigPath,
    overrides: Overrides = None,
    run_id: Annotated[str | None, typer.Option(help="Name the run, or resume an interrupted one.")] = None,
    baseline: Baseline = None,
    require_gpu: RequireGpu = False,  # noqa: FBT002
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Evaluate, analyze if gate.drift asks for it, judge, report; one exit code. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from ..config import config_file
        from ..nightly import verdict as gating
        from . import analyze, evaluate

        settings = config_file.load(config, overrides or ())
        gating.check_config(settings)
        flags = with_gpu(context.obj, require_gpu=require_gpu)
        command = ("nightly", *(("--baseline", baseline) if baseline else ()))
        outcome, note = evaluate.run_evaluation(
            config, overrides or (), settings, run_id, flags, command=command, verbose=verbose
        )
        terminal.show(terminal.console(), outcome, settings, note)
        if settings.gate.drift:
            again = command_lines.to_resume(config, overrides, outcome.run.run_id, flags, command)
            analyze.analyze_if_due(settings, outcome.run.run_id, context.obj, again, verbose=verbose)
        verdict, _ = _judge(config, overrides, settings, outcome.run.run_id, baseline, context.obj)
        again = command_lines.with_config("report", config, overrides, "--run-id", verdict.run_id, flags=context.obj)
        _report_or_say(settings, verdict.run_id, context.obj, again)
        raise typer.Exit(verdict.exit_code)


def report(
    context: typer.Context,
    config: ConfigPath,
    run_id: Annotated[str, typer.Option(help="The run that the page is of.")],
    overrides: Overrides = None,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Where to write it.")] = None,
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Write one self-contained HTML file of a run. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from ..config import config_file

        settings = config_file.load(config, overrides or ())
        library_output.load_tensorflow(verbose=verbose)
        from ..nightly import report as reporting

        terminal.say(f"wrote {reporting.write_report(settings, run_id, context.obj, out)}")


def _judge(
    config: str,
    overrides: Sequence[str] | None,
    settings: "Config",
    run_id: str | None,
    baseline: str | None,
    flags: Sequence[str],
) -> tuple[GateVerdict, str | None]:
    """Decide, write every output and print; returns the verdict, and the page of an earlier one that was removed."""
    from ...components.verdict import blessing, verdict_files
    from ..console import verdict_console
    from ..nightly import verdict as gating

    gated = gating.decide(settings, run_id, baseline, flags, terminal.say)
    run = gated.past.run
    blessed_before = blessing.is_blessed(run)
    removed = verdict_files.earlier_page(run)
    written = verdict_files.write(run, gated.verdict)
    verdict_console.show(terminal.console(), gated.verdict)
    terminal.say(f"wrote {written['summary'].rpartition('/')[0]}")
    if blessed_before and written["blessing"] == blessing.path(run, blessing.NOT_BLESSED):
        again = command_lines.with_config("gate", config, overrides, "--bless", run.run_id, flags=flags)
        terminal.say(f"warning: run {run.run_id} was blessed, and is not any more; to bless it again by hand: {again}")
    return gated.verdict, removed


def _bless(settings: "Config", run_id: str, why: str | None, flags: Sequence[str]) -> None:
    from datetime import UTC, datetime

    from ...components.verdict import blessing
    from ...schemas.decision import HAND
    from ..nightly import verdict as gating

    past, _ = gating.find_run(settings, run_id, flags)
    path = blessing.grant(past.run, HAND, datetime.now(UTC), why)
    terminal.say(f"run {run_id} is blessed: {path}")


def _report_or_say(settings: "Config", run_id: str, flags: Sequence[str], again: str) -> None:
    """Write the page; a page that cannot be written changes no verdict."""
    try:
        from ..nightly import report as reporting

        terminal.say(f"wrote {reporting.write_report(settings, run_id, flags)}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the verdict stands
        terminal.say(f"warning: the report is not written: {error}; to try again: {again}")
