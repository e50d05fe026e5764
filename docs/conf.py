"""The documentation site: `sphinx-build -W docs build/site`. Nothing in it is from another host."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from build_reference import write_reference

write_reference(Path(__file__).parent / "reference")

project = "mlptrain"
copyright = "MIT License"
extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["results", "results_study.md", "results_ablation.md"]
highlight_language = "text"
nitpicky = True
smartquotes = False  # two hyphens are an option's

myst_heading_anchors = 3

copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp"

html_theme = "furo"
html_title = "mlptrain"
html_static_path = ["assets/site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # from file://, a browser may not read other pages
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7db4ec", "color-brand-content": "#7db4ec"},
}
