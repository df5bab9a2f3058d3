"""The book, built of Markdown and docstrings: ``python -m sphinx -W -c docs . build/book``.

The source folder is the top of the repository, so that pages link to READMEs and configs as they do on GitHub.
"""

import os
import re
import sys
from pathlib import Path

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'docs')]
import reference  # noqa: E402

from mmfer.version import __version__  # noqa: E402

project, release = 'mmfer', __version__
extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx_copybutton']
root_doc = 'docs/index'
source_suffix = {'.md': 'myst-nb'}
include_patterns = ['docs/**', 'configs/*/README.md', 'examples/README.md', 'CONTRIBUTING.md', 'CHANGELOG.md']
exclude_patterns = ['docs/results/votes/*/*', 'build', 'data', 'pretrained', 'work_dirs', '.*', '**/__pycache__']

myst_heading_anchors = 4
myst_enable_extensions = ['dollarmath']
autodoc_default_options = dict(members=True, show_inheritance=True)
autodoc_member_order = 'bysource'
autodoc_typehints = 'none'  # docstrings say what arguments are
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [('Class attributes', 'params_style')]

# Pages with the header of a notebook (docs/tutorials) are run. A cell that fails ends the build.
os.environ['MMFER_OFFLINE'] = '1'
nb_execution_mode = 'force'
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = 'remove'  # progress bars
nb_merge_streams = True

smartquotes = False  # which would make dashes of --options
html_theme = 'furo'
html_title = f'mmfer {release}'
html_static_path = ['static']
templates_path = ['templates']
html_sidebars = {
    '**': [
        'sidebar/brand.html',
        'sidebar/search.html',
        'sidebar/scroll-start.html',
        'versions.html',
        'sidebar/navigation.html',
        'sidebar/scroll-end.html',
    ]
}
html_css_files = ['book.css']
html_copy_source = False
html_show_copyright = html_show_sphinx = False
html_math_renderer = 'mathml'


def mathml(block):
    """Draws formulas without a script from the network: browsers know MathML."""

    def visit(writer, node):
        text = tex2mathml(node.astext(), as_block=block)
        writer.body.append(f'<div class="math">{text}</div>' if block else text)
        raise SkipNode

    return visit, None


def unlink_folders(app, docname, source):
    """Links to folders, which GitHub shows and a book cannot, become plain text."""
    folder = (ROOT / docname).parent

    def plain(link):
        return link[1] if (folder / link[2]).is_dir() else link[0]

    source[0] = re.sub(r'\[([^\]]+)\]\(([^)\s:#]+)\)', plain, source[0])


def make_reference(app, docname, source):
    """Puts what is made from the code into the pages of the reference."""
    source[0] = reference.fill(source[0])


def setup(app):
    """Called by Sphinx."""
    for listener in list(app.events.listeners['autodoc-skip-member']):
        if listener.handler.__module__ == 'sphinx.ext.napoleon':  # it fails on methods that MMEngine wraps
            app.disconnect(listener.id)
    app.connect('source-read', unlink_folders)
    app.connect('source-read', make_reference)
    app.add_html_math_renderer('mathml', mathml(block=False), mathml(block=True))
