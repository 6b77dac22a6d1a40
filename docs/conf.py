"""The site of the documentation: `make docs`."""

import re
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
REPOSITORY = "https://github.com/torch-advisor/torch-advisor/blob/main"

project = "torch-advisor"
author = "the torch-advisor authors"
release = metadata.version("torch-advisor")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["agents", "build"]
html_theme = "furo"
html_title = f"{project} {release}"

# Headings have the anchors that they have on GitHub, so that one link works in both places.
myst_heading_anchors = 4

# The docstrings are in plain sentences, with `code` in single backticks as in Markdown.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Arguments", "params_style")]


def link_the_repository(app, name, source):
    """Files of the repository outside `docs/` are linked where they can be read."""
    source[0] = re.sub(r"\]\(\.\./(?!docs/)([^)]+)\)", rf"]({REPOSITORY}/\1)", source[0])


def as_a_list(app, what, name, obj, options, lines):
    """Lists in docstrings need an empty line before them, which plain text does not have."""
    for place in range(len(lines) - 1, 0, -1):
        is_item = lines[place].lstrip().startswith("- ")
        if is_item and lines[place - 1].strip() and not lines[place - 1].lstrip().startswith("- "):
            lines.insert(place, "")


def setup(app):
    """Connect what is above."""
    app.connect("source-read", link_the_repository)
    app.connect("autodoc-process-docstring", as_a_list)
