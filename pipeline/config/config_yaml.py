"""YAML to plain values: no objects are made, no key is lost, and no document grows when it is read."""

import re
from collections import Counter
from typing import Any

import yaml

from ...schemas.errors import ConfigError

MAX_LENGTH = 1 << 20
"""Characters of a document. With aliases written out it may have as many again, once for each node or character."""

_LONGEST_REASON = 1000

MERGE_TAG, TIMESTAMP_TAG, STRING_TAG = (f"tag:yaml.org,2002:{name}" for name in ("merge", "timestamp", "str"))
_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _joined(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


class _Loader(yaml.SafeLoader):
    """SafeLoader, but a key given twice is an error and not a silent last-one-wins, and dates stay text.

    Folders are often named by a date, and no key takes one.
    """

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _written_out(node, {}, ())
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        named = (key for key, _ in node.value if key.tag != MERGE_TAG)
        keys = [str(self.construct_object(key, deep=True)) for key in named]
        repeated = [key for key, times in Counter(keys).items() if times > 1]
        if repeated:
            msg = f"the key {', '.join(sorted(repeated))} is there twice"
            raise yaml.constructor.ConstructorError(None, None, msg, node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """JSON writes characters beyond 16 bits as two escapes, which YAML reads as two characters."""
        text = _SURROGATE_PAIR.sub(_joined, str(self.construct_scalar(node)))
        if not text.isascii() and _SURROGATE.search(text):
            msg = f"expected text, but got half of a surrogate pair in {text[:100]!r}"
            raise yaml.constructor.ConstructorError(None, None, msg, node.start_mark)
        return text


_Loader.add_constructor(TIMESTAMP_TAG, _Loader.construct_text)
_Loader.add_constructor(STRING_TAG, _Loader.construct_text)
for _name in ("binary", "omap", "pairs", "set"):  # no key takes one, and a set would put the classes in any order
    del _Loader.yaml_constructors[f"tag:yaml.org,2002:{_name}"]


def _written_out(node: yaml.Node, known: dict[int, int], above: tuple[int, ...]) -> int:
    """Nodes and characters of a document once every alias is replaced by what it stands for."""
    if id(node) in above:
        raise yaml.constructor.ConstructorError(None, None, "an alias stands inside itself", node.start_mark)
    if id(node) not in known:
        children = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            children = [part for pair in children for part in pair]
        own = 1 + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0)
        known[id(node)] = own + sum(_written_out(child, known, (*above, id(node))) for child in children)
        if known[id(node)] > MAX_LENGTH:
            msg = f"with its aliases written out it is longer than the {MAX_LENGTH:,} characters a config may have"
            raise yaml.constructor.ConstructorError(None, None, msg, node.start_mark)
    return known[id(node)]


def _apart(value: Any) -> Any:  # noqa: ANN401
    """The value with nothing shared: what an alias repeats can be changed by `--set` in one place alone."""
    if isinstance(value, dict):
        return {key: _apart(part) for key, part in value.items()}
    return [_apart(part) for part in value] if isinstance(value, list) else value


def parse(text: str, where: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    """The values of a document.

    Raises:
        ConfigError: if it is no YAML, has a key twice, makes objects, or is too long or too deep; begins with `where`.
    """
    if len(text) > MAX_LENGTH:
        msg = f"{where} is longer than the {MAX_LENGTH:,} characters a config may have"
        raise ConfigError(msg)
    try:
        return _apart(yaml.load(text, _Loader))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        msg = f"{where} is not valid YAML: {' '.join(str(error).split())[:_LONGEST_REASON]}"
        raise ConfigError(msg) from error
    except RecursionError:
        msg = f"{where} is nested too deep for a config"
        raise ConfigError(msg) from None
    except (ValueError, OverflowError) as error:  # what YAML takes for a number or a date, and Python does not
        msg = f"{where} is not valid YAML: {error}"
        raise ConfigError(msg) from error
