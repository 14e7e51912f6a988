"""Every link, anchor, image, path and module in the pages of the repository leads somewhere."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

ROOMS = "tests|components|pipeline|schemas|benchmarks|examples|scripts|deploy"
PATH = re.compile(rf"(?<![\w/.-])(?:{ROOMS})/[\w./-]*\w")
MODULE = re.compile(r"python -m ((?:benchmarks|examples)\.\w+)")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
FENCE = re.compile(r"^ *(```|~~~).*?^ *\1", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")
HISTORY = "CHANGELOG.md"
"""What was once there may be named in it: its paths are not looked for, its links are."""


def pages() -> list[str]:
    """Every page that git tracks or would take up; without git, those at the root and in docs and deploy."""
    if not (ROOT / ".git").exists():
        found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
        return sorted(str(page.relative_to(ROOT)) for page in found)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted(name for name in names if name and (ROOT / name).is_file())


PAGES = pages()


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading: small letters, no punctuation, hyphens for spaces."""
    shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """All anchors of a page; a heading that is there again gets -1, -2, ..."""
    seen: dict[str, int] = {}
    found = set(re.findall(r"<[^>]*\b(?:id|name)=[\"']([^\"']+)", text))
    for heading in re.findall(r"^#{1,6} +(.*?)(?: +#+)? *$", FENCE.sub("", text), re.MULTILINE):
        name = slug(heading)
        times = seen.get(name, 0)
        found.add(f"{name}-{times}" if times else name)
        seen[name] = times + 1
    return found


@cache
def anchors_of(path: Path) -> frozenset[str]:
    return frozenset(anchors(path.read_text(encoding="utf-8")))


def links(text: str) -> list[str]:
    """Targets of the links and images of a page, without code."""
    prose = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "`code`", FENCE.sub("", text), flags=re.DOTALL)
    return LINK.findall(prose) + re.findall(r"^\[[^\]]+\]: +(\S+)", prose, re.MULTILINE)


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Links of a page that lead nowhere in the repository."""
    for link in links(text):
        if ELSEWHERE.match(link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.is_relative_to(ROOT) or not target.exists():
            yield link
        elif anchor and target.suffix == ".md":
            known = anchors(text) if target == page else anchors_of(target)
            if anchor not in known:
                yield link


def missing_paths(text: str) -> Iterator[str]:
    """Files, folders and modules of the repository that a page names, and that are not there."""
    for name in PATH.findall(text):
        if not (ROOT / name).exists():
            yield name
    for module in MODULE.findall(text):
        if not (ROOT / (module.replace(".", "/") + ".py")).exists():
            yield module


def unlisted(index: Path, text: str) -> set[str]:
    """Pages under the folder of an index that it does not link to."""
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(text)}
    there = {ROOT / name for name in PAGES if (ROOT / name).is_relative_to(index.parent)}
    return {str(page.relative_to(ROOT)) for page in there - linked - {index}}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_and_anchor_leads_somewhere(name):
    page = ROOT / name
    assert list(broken_links(page, page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("name", [name for name in PAGES if name != HISTORY])
def test_every_path_that_is_named_is_there(name):
    assert list(missing_paths((ROOT / name).read_text(encoding="utf-8"))) == []


def test_the_index_links_every_page():
    index = ROOT / "docs" / "README.md"
    assert unlisted(index, index.read_text(encoding="utf-8")) == set()


def test_there_are_pages_and_links():
    assert {"README.md", "docs/README.md", "docs/guide/config.md", "deploy/README.md"} <= set(PAGES)
    assert sum(len(links((ROOT / name).read_text(encoding="utf-8"))) for name in PAGES) > 100


# the test of the test

BAD = """
# A page: of `code`, twice

# A page: of `code`, twice

[ok](#a-page-of-code-twice), [ok](#a-page-of-code-twice-1), [ok](docs/guide/config.md#features), [ok](https://example.org/x)
[broken one](docs/gone.md), [broken anchor](docs/guide/config.md#gone), [here](#gone), [out](../elsewhere.md)
![no image](docs/images/gone.png), [two
lines](docs/gone-too.md), [`code` in it](docs/gone-three.md)
`[in code](docs/in-code.md)` and `tests/docs/test_links.py`, `tests/gone.py`, `components/`, python -m benchmarks.gone
components/gone/room.py ends a sentence. my-tests/x.py and /srv/tests/x.py are not ours

```
# not a heading
[in a block](docs/in-a-block.md) pipeline/gone.py
```
"""


def test_a_bad_text_is_found_out():
    assert list(broken_links(ROOT / "README.md", BAD)) == [
        "docs/gone.md", "docs/guide/config.md#gone", "#gone", "../elsewhere.md", "docs/images/gone.png",
        "docs/gone-too.md", "docs/gone-three.md",
    ]  # fmt: skip
    assert list(missing_paths(BAD)) == [
        "tests/gone.py", "components/gone/room.py", "pipeline/gone.py", "benchmarks.gone",
    ]  # fmt: skip
    assert "not-a-heading" not in anchors(BAD)
    assert "docs/guide/config.md" in unlisted(ROOT / "docs" / "README.md", "[one page](guide/sql.md)")


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Another CPU, or a GPU", "another-cpu-or-a-gpu"),
        ("samples: one row for each sample and class", "samples-one-row-for-each-sample-and-class"),
        ("The section `gate`, key by key", "the-section-gate-key-by-key"),
        ("[A link](x.md) & `snake_case`", "a-link--snake_case"),
    ],
)
def test_slugs_are_githubs(heading, anchor):
    assert slug(heading) == anchor
