"""The rules of DESIGN section 4, held over the syntax trees: who imports whom, and how big things get."""

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.support.paths import ROOT

ROOMS = ("schemas", "components", "pipeline")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).glob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES = 250, 40


def name_of(path):
    return f"{path.parent.name}.{path.stem}"


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree):
    """Every module that is imported anywhere in a file, `from a import b` as both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the room"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_stage(tree):
    """Whether a file defines a public beam.PTransform."""
    return any(
        isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any(ast.unparse(base).endswith("PTransform") for base in node.bases)
        for node in tree.body
    )


TREES = {name_of(path): tree_of(path) for path in FILES}
IMPORTS = {name: set(imported(tree)) for name, tree in TREES.items()}
STAGES = {name for name, tree in TREES.items() if is_stage(tree)}
each_file = pytest.mark.parametrize("path", FILES, ids=name_of)


def test_the_rooms_are_where_this_test_looks():
    assert {path.parent.name for path in FILES} == set(ROOMS)
    assert len(FILES) > 30


@each_file
def test_imports_point_from_pipeline_to_components_to_schemas(path):
    allowed = set(ROOMS[: ROOMS.index(path.parent.name) + 1])
    rooms = {name.partition(".")[0] for name in IMPORTS[name_of(path)]} & {*ROOMS, "tests", "benchmarks"}
    assert rooms <= allowed


@each_file
def test_no_import_is_circular(path):
    graph = {name: targets & set(TREES) - {name} for name, targets in IMPORTS.items()}
    assert name_of(path) in list(TopologicalSorter(graph).static_order())  # CycleError where there is a cycle


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").glob("*.py")), ids=name_of)
def test_schemas_know_neither_beam_nor_tensorflow(path):
    packages = {name.partition(".")[0] for name in IMPORTS[name_of(path)]}
    assert not packages & {"apache_beam", "tensorflow", "keras", "tfrecord_lite"}


def test_the_stages_are_recognized():
    assert {"components.samples", "components.inference", "components.sample_files", "components.reports"} <= STAGES
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


@each_file
def test_only_the_command_line_prints(path):
    calls = [n for n in ast.walk(TREES[name_of(path)]) if isinstance(n, ast.Call)]
    prints = [n.lineno for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"]
    assert not prints


@each_file
def test_every_file_says_what_it_is_for(path):
    assert ast.get_docstring(TREES[name_of(path)])


def modules_after(statement):
    code = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["pipeline.cli", "pipeline.config_file", "pipeline.console"])
def test_starting_the_command_line_loads_neither_tensorflow_nor_beam(module):
    loaded = modules_after(f"import {module}")
    assert module in loaded
    assert not loaded & {"tensorflow", "apache_beam", "keras"}


def test_every_schema_is_light():
    names = ", ".join(name for name in TREES if name.startswith("schemas."))
    assert not modules_after(f"import {names.replace('schemas.__init__', 'schemas')}") & {"tensorflow", "apache_beam"}
