"""YAML read strictly: a key written twice is a fault, not a choice of the last."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from remerge.errors import ConfigError


class _StrictLoader(yaml.SafeLoader):
    """Refuses duplicate keys, which YAML loaders otherwise drop without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise ConfigError(f"{self.name}: the key in line {line} is no name; write it as text")
            if key in first:
                raise ConfigError(
                    f"{self.name}: {key!r} stands twice, in line {first[key]} and line {line}; rename or remove one"
                )
            first[key] = line
        return super().construct_mapping(node, deep)


def shown_path(path: Path) -> str:
    """Return a path as the user would write it: from the working folder, if it lies there."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's content.

    Raises:
        ConfigError: The file cannot be read, is no mapping, has a key twice, or is no plain YAML.
    """
    shown = shown_path(path)
    try:
        loader = _StrictLoader(path.read_text(encoding="utf-8"))
        loader.name = shown
        content = loader.get_single_data()
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{shown}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{shown}: not plain YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{shown}: expected keys and values at the top, found {type(content).__name__}")
    return content
