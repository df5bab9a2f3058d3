"""The documentation as pages, read from the Markdown files of the checkout: it is there without a network."""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path

STYLE = """
html { color-scheme: light dark }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif }
pre { overflow-x: auto; padding: .8rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent) }
code { font-family: ui-monospace, monospace; font-size: .92em }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; vertical-align: top }
img { max-width: 100% }
"""


class Documents:
    """Pages of a folder of Markdown files.

    Args:
        folder: The folder; None has no pages.
    """

    def __init__(self, folder: str | Path | None) -> None:
        folder = None if folder is None else Path(folder)
        self.files = {} if folder is None else {path.name: path for path in sorted(folder.glob('*.md'))}

    def page(self, name: str) -> str | None:
        """The HTML of a file such as ``app.md``; None where there is none of this name."""
        path = self.files.get(name)
        if path is None:
            return None
        from markdown_it import MarkdownIt

        text = path.read_text(encoding='utf-8')
        title = re.match(r'#+ (.+)', text)
        body = MarkdownIt('commonmark', dict(html=False)).enable('table').render(text)
        body = re.sub(r'<img src="([^":]+\.png)"', lambda match: _image(path.parent, match[1]), body)
        body = re.sub(r'<a href="(?!http|#)([^"]+)">(.*?)</a>', self._link, body)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title[1] if title else name)}'
            '</title><meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<style>{STYLE}</style></head><body>{body}</body></html>'
        )

    def _link(self, match: re.Match) -> str:
        """Links to other pages stay; those to files of the checkout become text."""
        return match[0] if match[1].split('#')[0] in self.files else match[2]


def _image(folder: Path, name: str) -> str:
    path = folder / name
    if not path.is_file() or folder.resolve() not in path.resolve().parents:
        return '<img'
    return f'<img src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"'
