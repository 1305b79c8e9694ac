"""Strict reading of YAML: a duplicate key is an error."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from remerge.errors import ConfigError


class _StrictLoader(yaml.SafeLoader):
    """Refuses duplicate keys, which YAML loaders otherwise drop silently."""

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
    """Return a path as the user would write it: relative to the working folder, if it is inside."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's content.

    Raises:
        ConfigError: The file cannot be read, is not a mapping, has a duplicate key, or is not plain YAML.
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
