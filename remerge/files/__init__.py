"""How files are written whole or not at all, and how text in CSV, YAML, Markdown and LaTeX stays what it is."""
