"""``python -m remerge.config``: regenerate config/README.md and the JSON schema."""

from pathlib import Path

from remerge.config.reference import configuration_readme, configuration_schema

ROOT = Path(__file__).parent.parent.parent

if __name__ == "__main__":
    (ROOT / "config" / "README.md").write_text(configuration_readme(), encoding="utf-8")
    schema = ROOT / "workflow" / "schemas" / "config.schema.yaml"
    schema.parent.mkdir(exist_ok=True)
    schema.write_text(configuration_schema(), encoding="utf-8")
