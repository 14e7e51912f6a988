"""How often the gate raises a false alarm, how often it finds a true drop, and how often it passes one by mistake.

The kinds of nights are those of `benchmarks.nights`; every night goes through the gate's own code, with checks of three
classes and of the foreground, or of the foreground alone where the line says so, and with `min_samples: 2`, so that
nothing is INCONCLUSIVE for its number alone. `--spread` is the standard deviation of the paired differences of one
class; for two models on CamVid it lies between 0.02 and 0.12.

    python -m benchmarks.gate [--nights 2000] [--margin 0.02] [--spread 0.05] [--samples 30,50,100,200,400]
        [--only TEXT]
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks import nights
from benchmarks.nights import Scenario
from dicebeam.schemas.verdict import INCONCLUSIVE, INVALID, PASS, REGRESSED

ALONE = ("foreground",)


def rates(pool: ProcessPoolExecutor, scenario: Scenario, count: int) -> Counter[str]:
    """How many nights had each verdict."""
    return Counter(pool.map(partial(nights.night, scenario=scenario), range(count), chunksize=50))


def unchanged(margin: float, spread: float, sizes: list[int]) -> Iterator[Scenario]:
    """Nights on which nothing has changed: each REGRESSED is a false alarm."""
    same = {"margin": margin, "spread": spread}
    for n in sizes:
        yield Scenario("no change", nights.no_change, n, **same)
    yield Scenario("no change, margin 0", nights.no_change, 200, 0.0, spread)
    yield Scenario("no change, margin 0, foreground alone", nights.no_change, 200, 0.0, spread, checks=ALONE)
    for clusters, by_cluster in ((20, False), (20, True)):
        name = f"no change, margin 0, {clusters} clusters{'' if by_cluster else ' not told'}"
        yield Scenario(name, nights.no_change, 200, 0.0, spread, clusters=clusters, by_cluster=by_cluster)
    for count in (1, 2, 3, 5):
        name = f"no change, margin 0, a class in {count} of 200"
        yield Scenario(name, nights.rare_class, 200, 0.0, spread, count, checks=ALONE)
    for count in (2, 3, 4):
        name = f"no change, margin 0, a class in {count} of 60 clusters"
        yield Scenario(name, nights.rare_class, 240, 0.0, spread, count, 60, by_cluster=True)
    for n in (30, 50, 80, 100, 200):
        yield Scenario("equal means, one model misses 5 %", nights.catastrophes, n, margin, spread / 5, 0.05)


def changed(margin: float, spread: float, sizes: list[int]) -> Iterator[Scenario]:
    """Nights with a true drop: each PASS is a mistake."""
    same = {"margin": margin, "spread": spread}
    for n in sizes:
        yield Scenario("drop of 2 margins", nights.drop, n, **same, size=2 * margin)
    yield Scenario("drop of 2 margins in 1 class of 3", nights.drop_of_one_class, 200, **same, size=2 * margin)
    yield Scenario("one class falls by 4 margins, one rises", nights.gain_and_loss, 200, **same, size=4 * margin)
    yield Scenario("the same, foreground alone", nights.gain_and_loss, 200, **same, size=4 * margin, checks=ALONE)
    yield Scenario(
        "4 margins, false alarms vanish, foreground alone",
        nights.vanishing_alarms,
        200,
        **same,
        size=4 * margin,
        checks=ALONE,
    )
    for times in (0.5, 1.0, 1.5):
        name = f"drop of {times:g} margin{'s' * (times > 1)}"
        yield Scenario(name, nights.drop, 200, **same, size=times * margin)
    for times in (1.0, 1.4):
        for n in (30, 50, 100, 200):
            name = f"drop of {times:g} margin{'s' * (times > 1)} by misses"
            yield Scenario(name, nights.misses, n, margin, spread / 5, times * margin)
    yield Scenario("drop of 1 margin, half of it by misses", nights.half_misses, 200, margin, spread / 5, margin)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=2000)
    parser.add_argument("--margin", type=float, default=0.02)
    parser.add_argument("--spread", type=float, default=0.05)
    parser.add_argument("--samples", default="30,50,100,200,400")
    parser.add_argument("--only", default="", help="kinds whose line has this text")
    args = parser.parse_args()
    sizes = [int(n) for n in args.samples.split(",")]
    print(f"{args.nights:,} nights each, margin {args.margin}, spread of paired differences {args.spread}")
    print(f"{'':<50} {'n':>5} {REGRESSED:>10} {INCONCLUSIVE:>13} {PASS:>7}")
    with ProcessPoolExecutor() as pool:
        for scenario in (*unchanged(args.margin, args.spread, sizes), *changed(args.margin, args.spread, sizes)):
            if args.only not in scenario.name:
                continue
            found = rates(pool, scenario, args.nights)
            found[INCONCLUSIVE] += found[INVALID]
            parts = [f"{found[verdict] / args.nights:.1%}" for verdict in (REGRESSED, INCONCLUSIVE, PASS)]
            print(f"{scenario.name:<50} {scenario.samples:>5} {parts[0]:>10} {parts[1]:>13} {parts[2]:>7}", flush=True)


if __name__ == "__main__":
    main()
