"""YAML read strictly: a key written twice is a fault, not a choice of the last."""

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
            if key in first:
                raise ConfigError(
                    f"{self.name}: {key!r} stands twice, in line {first[key]} and line {line}; rename or remove one"
                )
            first[key] = line
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's content.

    Raises:
        ConfigError: The file is no mapping, has a key twice, or is no plain YAML.
    """
    with path.open(encoding="utf-8") as file:
        loader = _StrictLoader(file)
        loader.name = str(path)
        try:
            content = loader.get_single_data()
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not plain YAML: {error}") from error
        finally:
            loader.dispose()
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values at the top, found {type(content).__name__}")
    return content
