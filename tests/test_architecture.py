"""The house, held over the syntax trees: which room uses which, what a stage file is, and how big things get."""

import ast
import json
import re
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.support.paths import ROOT

FLOORS = ("schemas", "components", "pipeline")
MAX_DEPTH = 3
"""Folders between `dicebeam` and a module's name, and the name: pipeline.commands.gate."""
MAX_FILE_LINES, MAX_FUNCTION_LINES = 250, 40

ARROWS = {
    # components: every room may use schemas
    "kernels": "",
    "statistics": "",
    "storage": "",
    "runtime": "",
    "wording": "",
    "decoding": "",
    "dice": "kernels",
    "losses": "dice kernels",
    "metrics": "dice kernels",
    "runs": "statistics storage runtime",
    "model": "dice statistics storage runtime",
    "reading": "decoding runs storage runtime",
    "samples": "runs statistics storage runtime",
    "summary": "samples runs statistics storage",
    "dataset": "reading decoding runs statistics storage runtime",
    "gate": "summary samples runs statistics wording",
    "verdict": "runs storage wording",
    "report": "verdict model reading decoding samples runs statistics wording",
    "explore": "model reading decoding runs storage",
    # pipeline: every room may use components and schemas
    "config": "",
    "graphs": "",
    "runner": "",
    "plans": "graphs runner",
    "console": "plans runner",
    "nightly": "plans runner",
    "preflight": "plans runner",
    "commands": "preflight console nightly plans runner config",
    "cli": "commands",
}
"""Who may use whom. An arrow that nobody needs any more is taken out, so that the table says what is."""


def package_of(path):
    return list(path.relative_to(ROOT).with_suffix("").parts[:-1])


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(name):
    """The room of a module: `gate` of components.gate.checks, `dice` of components.dice, `schemas` of all schemas."""
    floor, _, rest = name.partition(".")
    return rest.partition(".")[0] if floor != "schemas" else floor


def imported(path, tree):
    """Every module that a file imports, `from a import b` as both a and a.b; ours without `dicebeam`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package_of(path)[: len(package_of(path)) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}".removeprefix(".") for alias in node.names)


def is_stage(tree):
    """Whether a file defines a public beam.PTransform."""
    return any(
        isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any(ast.unparse(base).endswith("PTransform") for base in node.bases)
        for node in tree.body
    )


FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
TREES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
IMPORTS = {name_of(path): set(imported(path, TREES[name_of(path)])) for path in FILES}
STAGES = {name for name, tree in TREES.items() if is_stage(tree)}
each_file = pytest.mark.parametrize("path", FILES, ids=name_of)


def rooms_used(names):
    return {room_of(name) for name in names if name.partition(".")[0] in FLOORS and name.partition(".")[2]}


def uses_of(floor, room):
    """The rooms of a floor that the files of one of its rooms use."""
    names = [name for name in TREES if name.startswith(f"{floor}.") and room_of(name) == room]
    return rooms_used(t for name in names for t in IMPORTS[name] if t.startswith(f"{floor}.")) - {room}


def floor_of(room):
    (floor,) = {name.partition(".")[0] for name in TREES if room_of(name) == room and name.startswith(FLOORS[1:])}
    return floor


def test_every_room_is_in_the_table_and_every_row_is_a_room():
    rooms = {room_of(name) for name in TREES if name.partition(".")[0] != "schemas" and "." in name}
    assert rooms == set(ARROWS)
    assert len(TREES) > 150


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_uses_the_rooms_that_the_table_gives_it(room):
    assert sorted(uses_of(floor_of(room), room)) == sorted(ARROWS[room].split())


def test_no_room_goes_round_in_a_circle():
    list(TopologicalSorter({room: uses.split() for room, uses in ARROWS.items()}).static_order())


@each_file
def test_imports_point_from_pipeline_to_components_to_schemas(path):
    floor = name_of(path).partition(".")[0]
    allowed = set(FLOORS[: FLOORS.index(floor) + 1])
    used = {name.partition(".")[0] for name in IMPORTS[name_of(path)]} & {*FLOORS, "dicebeam", "tests", "benchmarks"}
    assert used <= allowed


@each_file
def test_imports_inside_the_package_are_relative(path):
    absolute = [n for n in ast.walk(TREES[name_of(path)]) if isinstance(n, ast.ImportFrom) and not n.level]
    assert not [n.module for n in absolute if n.module.partition(".")[0] in {*FLOORS, "dicebeam"}]


@each_file
def test_no_import_is_circular(path):
    graph = {name: targets & set(TREES) - {name} for name, targets in IMPORTS.items()}
    assert name_of(path) in list(TopologicalSorter(graph).static_order())  # CycleError where there is a cycle


@each_file
def test_rooms_are_not_nested_deeper_than_one_folder(path):
    assert name_of(path).count(".") + 1 <= MAX_DEPTH


@pytest.mark.parametrize("name", sorted(name for name in TREES if name.startswith("schemas.")))
def test_schemas_know_neither_beam_nor_tensorflow(name):
    packages = {target.partition(".")[0] for target in IMPORTS[name]}
    assert not packages & {"apache_beam", "tensorflow", "keras", "tfrecord_lite"}


def test_the_stages_are_recognized():
    assert {
        "components.reading.read_samples",
        "components.model.score_samples",
        "components.samples.write_samples",
        "components.summary.write_tables",
    } <= STAGES
    assert "components.dice" not in STAGES


@pytest.mark.parametrize("name", sorted(STAGES))
def test_a_stage_imports_no_other_stage(name):
    assert not IMPORTS[name] & (STAGES - {name})


@pytest.mark.parametrize("name", sorted(set(TREES) - STAGES))
def test_a_tool_imports_no_stage(name):
    if name.startswith("components."):
        assert not IMPORTS[name] & STAGES


@pytest.mark.parametrize("name", sorted(STAGES))
def test_a_stage_has_one_public_transform_with_a_docstring(name):
    transforms = [
        node
        for node in TREES[name].body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("PTransform") for base in node.bases)
    ]
    assert len(transforms) == 1
    assert ast.get_docstring(transforms[0])


@each_file
def test_a_stage_file_bears_the_verb_of_its_transform(path):
    transforms = [n.name for n in TREES[name_of(path)].body if isinstance(n, ast.ClassDef) and name_of(path) in STAGES]
    words = [name.lower() for name in transforms]
    assert not words or path.stem.replace("_", "") in words


@each_file
def test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@each_file
def test_functions_are_short(path):
    functions = [n for n in ast.walk(TREES[name_of(path)]) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    sizes = {f.name: f.end_lineno - f.body[0].lineno + 1 for f in functions}
    # a docstring that says what the arguments mean does not make a function long
    for f in functions:
        if ast.get_docstring(f) and len(f.body) > 1:
            sizes[f.name] = f.end_lineno - f.body[1].lineno + 1
    assert not {name: size for name, size in sizes.items() if size > MAX_FUNCTION_LINES}


@pytest.mark.parametrize("name", sorted(set(TREES) - {"components.storage.parquet_reading"}))
def test_parquet_is_read_where_it_is_checked_and_nowhere_else(name):
    names = {node.attr for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)}
    names |= {alias.name for n in ast.walk(TREES[name]) if isinstance(n, ast.ImportFrom) for alias in n.names}
    assert not names & {"ParquetFile", "ParquetDataset", "read_table", "read_metadata", "read_schema", "read_pandas"}


@each_file
def test_only_the_command_line_prints(path):
    calls = [n for n in ast.walk(TREES[name_of(path)]) if isinstance(n, ast.Call)]
    prints = [n.lineno for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"]
    assert not prints


@each_file
def test_every_file_says_what_it_is_for(path):
    assert ast.get_docstring(TREES[name_of(path)])


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=name_of)
def test_a_room_says_in_one_line_what_it_is_for_and_nothing_else(path):
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert line.startswith('"""')


DOTTED = re.compile(r"`((?:[a-z_]+\.)+[A-Za-z_]+)`")
MODULE_NAMES = {name.rpartition(".")[2] for name in TREES}


def docstrings(tree):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    yield from filter(None, (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds)))
    for node in tree.body:  # texts under constants
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


@each_file
def test_what_a_docstring_names_is_there(path):
    """`tf_examples.raw_tensor` is a name in a module of ours, if its first part is the name of one."""
    named = {match for text in docstrings(TREES[name_of(path)]) for match in DOTTED.findall(text)}
    for dotted in (each for each in named if not each.startswith("tf.")):
        *_, module, name = dotted.split(".")
        files = [TREES[each] for each in TREES if each.rpartition(".")[2] == module]
        defined = {target for tree in files for target in ast.walk(tree)}
        names = {getattr(n, "name", None) or getattr(n, "id", None) or getattr(n, "attr", None) for n in defined}
        assert not files or name in names | MODULE_NAMES, dotted


def modules_after(statement):
    code = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.removeprefix("dicebeam.") for name in json.loads(done.stdout)}


def test_the_package_itself_loads_nothing():
    before, after = modules_after("pass"), modules_after("import dicebeam")
    assert {name.partition(".")[0] for name in after - before} <= {"dicebeam", *sys.stdlib_module_names}
    assert not [name for name in after if name.partition(".")[0] in FLOORS]


@pytest.mark.parametrize("module", ["pipeline.cli", "pipeline.config.config_file", "pipeline.console.run_console"])
def test_starting_the_command_line_loads_neither_tensorflow_nor_beam(module):
    loaded = modules_after(f"import dicebeam.{module}")
    assert module in loaded
    assert not loaded & {"tensorflow", "apache_beam", "keras"}


def test_every_schema_is_light():
    names = ", ".join(f"dicebeam.{name}" for name in TREES if name.startswith("schemas"))
    assert not modules_after(f"import {names}") & {"tensorflow", "apache_beam"}
