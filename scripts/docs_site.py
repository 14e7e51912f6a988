"""What the documentation site holds beside docs/: the API from docstrings, the SQL, and files that pages link to.

mkdocs calls the functions named on_...; see `hooks` in mkdocs.yml. Pages link to files of the repository, so that their
links work where the repository is browsed. On the site such a link leads to the module in the API reference, or to a
page that shows the file.
"""

import ast
import posixpath
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "build" / "docs-package" / "dicebeam"
FLOORS = ("components", "pipeline", "schemas")
PUBLIC = ("dice", "losses", "metrics")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md", "deploy/dataflow/README.md")
"""Pages outside docs/; on the site they keep their place in the repository, but for the first."""
START = "start.md"
"""The site's page for the README of the repository: the home of the site is that of docs/."""
SQL = {"schemas/views.sql": "SQL views", "schemas/bigquery.sql": "SQL views in BigQuery"}
LANGUAGES = {".py": "python", ".sh": "bash", ".yaml": "yaml", ".sql": "sql", ".toml": "toml", ".json": "json"}
HOME = "README.md"

_FENCED = re.compile(r"(^ *```.*?^ *``` *$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^][]|\[[^]]*\])*)\]\(([^)\s]+)\)")

_PUBLIC_PAGE = "::: dicebeam.{name}\n    options:\n      heading: dicebeam.{name}\n      heading_level: 1\n"

_page_of: dict[str, str] = {}
"""The page of the site for a path of the repository."""


def on_startup(**_: object) -> None:
    """Lay the package out for griffe, which reads it without importing TensorFlow: the checkout is `dicebeam`."""
    shutil.rmtree(PACKAGE.parent, ignore_errors=True)
    PACKAGE.mkdir(parents=True)
    shutil.copy(ROOT / "__init__.py", PACKAGE)
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, PACKAGE / floor, ignore=shutil.ignore_patterns("__pycache__"))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/, and put all of them in order."""
    texts = {file.src_uri: file.content_string for file in files.documentation_pages()}
    written = set(texts)
    _page_of.clear()
    _page_of.update({f"docs/{uri}": uri for uri in texts})
    for path in PAGES:
        _page_of[path] = START if path == HOME else path
        texts[_page_of[path]] = _read(path)
    for path, title in SQL.items():
        _page_of[path] = f"reference/{Path(path).stem}-sql.md"
        texts[_page_of[path]] = _shown(path, title)
    for path in sorted({path for uri, text in texts.items() for path in _linked(uri, text)} - set(_page_of)):
        if (ROOT / path).is_file() and not _identifier(path):
            _page_of[path] = f"source/{path}.md"
            texts[_page_of[path]] = _shown(path, path)
    texts |= {"api/README.md": f"# The package\n\n{ast.get_docstring(ast.parse(_read('__init__.py')))}\n"}
    texts |= {f"api/{name}.md": _PUBLIC_PAGE.format(name=name) for name in PUBLIC}
    texts |= {_room_page(room): _room_text(room) for room in _rooms()}
    for uri in sorted(set(texts) - written):
        files.append(File.generated(config, uri, content=texts[uri]))
    config.nav = _navigation(texts)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Let links to files of the repository lead to where the site has them."""
    uri = page.file.src_uri

    def led(link: re.Match[str]) -> str:
        text, (path, _, anchor) = link[2], link[3].partition("#")
        if _is_elsewhere(link[3]):
            return link[0]
        path = _repository_path(uri, path)
        if link[1]:  # an image; those that the pages show are in docs/
            return f"![{text}]({posixpath.relpath(path.removeprefix('docs/'), posixpath.dirname(uri) or '.')})"
        if identifier := _identifier(path):
            return f"[{text}][{identifier}]"
        found = _page_of.get(path) or _page_of.get(f"{path}/README.md")
        if found is None:
            return text if (ROOT / path).is_dir() else link[0]  # what is not there, mkdocs reports
        target = posixpath.relpath(found, posixpath.dirname(uri) or ".")
        return f"[{text}]({target}{'#' * bool(anchor)}{anchor})"

    parts = _FENCED.split(markdown)
    return "".join(part if place % 2 else _LINK.sub(led, part) for place, part in enumerate(parts))


def on_page_content(html: str, **_: object) -> str:
    """Name source files as the repository does, and keep them out of the search, which is for words about them."""
    html = html.replace(f"{PACKAGE.relative_to(ROOT).as_posix()}/", "")
    return html.replace('class="mkdocstrings-source"', 'class="mkdocstrings-source" data-search-exclude')


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _shown(path: str, title: str) -> str:
    return f"# {title}\n\n`{path}`\n\n````{LANGUAGES.get(Path(path).suffix, 'text')}\n{_read(path)}\n````\n"


def _is_elsewhere(target: str) -> bool:
    """Whether a link leaves the repository, or stays on its page."""
    return target.startswith("#") or ":" in target


def _repository_path(uri: str, target: str) -> str:
    """The path in the repository that a page of the site links to."""
    origin = next((path for path, page in _page_of.items() if page == uri), uri)
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))


def _linked(uri: str, text: str) -> Iterator[str]:
    for image, _, target in _LINK.findall("".join(_FENCED.split(text)[::2])):
        if not image and not _is_elsewhere(target):
            yield _repository_path(uri, target.partition("#")[0])


def _identifier(path: str) -> str | None:
    """The name under which the API reference has a module or a room of the package."""
    is_module = path.endswith(".py") or (ROOT / path / "__init__.py").is_file()
    if path.partition("/")[0] not in FLOORS or not is_module:
        return None
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return f"dicebeam.{name}"


def _rooms() -> list[str]:
    """Folders with modules, as paths; the three public modules of components/ have pages of their own."""
    found = {path.parent.relative_to(ROOT).as_posix() for floor in FLOORS for path in (ROOT / floor).rglob("*.py")}
    return sorted(found)


def _room_page(room: str) -> str:
    return f"api/{room.replace('/', '-')}.md"


def _room_text(room: str) -> str:
    """The page of a room: what it is for, then each of its modules."""
    modules = [path.stem for path in sorted((ROOT / room).glob("*.py"))]
    names = [f"{_identifier(room)}.{module}" for module in modules if module not in ("__init__", *PUBLIC)]
    line = ast.get_docstring(ast.parse(_read(f"{room}/__init__.py")))
    heading = f"# {room.replace('/', '.')} {{: #{_identifier(room)} }}\n\n{line}\n"
    return "\n".join([heading, *(f"::: {name}\n" for name in names)])


def _navigation(texts: dict[str, str]) -> list[object]:
    """Pages in the order in which the index links to them; those that it does not link to follow by name."""
    linked = list(_linked(HOME, texts.get(HOME, "")))
    order = {_page_of[path]: place for place, path in reversed(list(enumerate(linked))) if path in _page_of}

    def pages(*folders: str, but: tuple[str, ...] = ()) -> list[str]:
        inside = [uri for uri in texts if posixpath.dirname(uri) in folders and uri not in but]
        return sorted(inside, key=lambda uri: (order.get(uri, len(order)), uri))

    developers = ("CONTRIBUTING.md", "architecture.md", "CHANGELOG.md")
    operating = ["troubleshooting.md", *pages("operating"), *pages("deploy", "deploy/dataflow")]
    floors = [{floor: [_room_page(r) for r in _rooms() if r.split("/")[0] == floor]} for floor in FLOORS]
    return [
        *[HOME] * (HOME in texts),
        {"Start": START},
        *pages("", but=(HOME, START, *developers, "troubleshooting.md")),
        {"Guide": pages("guide")},
        {"Operating": operating},
        {"Reference": pages("reference")},
        {"API": ["api/README.md", *(f"api/{name}.md" for name in PUBLIC)]},
        {"For contributors": list(developers)},
        {"Rooms": floors},
    ]
