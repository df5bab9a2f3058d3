"""What users read is in the words of the field. The changelog and release notes are left out: they quote old names."""

import ast
import re

import pytest
from processes import ROOT

SAY = {  # what is not said -> what is
    r'(a|the) (perfect )?observer\b': 'the Bayes-optimal accuracy',
    r'\bforeign\b': 'out-of-distribution; of files: untrusted, or by others',
    r'\brecomput\w*': 'activation checkpointing',
    r'\bcovered (faces?|images?)\b': 'occlusion, occluded faces',
    r'\bclasses meet\b|\bmeet by name\b': 'classes are matched by name',
    r'\bnothing that could\b|\bleft out for that\b': 'a sentence that says what is done',
    r'\bas the tests? of the model does\b': 'with the preprocessing of the model',
    r'\b(come|came|comes) along\b': 'shipped, ships with mmfer',
    r'\bURL-OF-THIS\b': 'an address below example.org, marked as a placeholder',
}
PATTERN = re.compile('|'.join(f'(?:{words})' for words in SAY), re.IGNORECASE)
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', ROOT / 'CITATION.cff']
PAGES += [path for folder in ('docs', 'configs', 'examples') for path in (ROOT / folder).rglob('*.md')]
PAGES = [path for path in PAGES if not path.name.startswith('release_')]
CODE = [path for folder in ('mmfer', 'configs', 'examples', 'docs') for path in (ROOT / folder).rglob('*.py')]


def find(path):
    """Place and text of each old word: of all a page says; of code, docstrings, messages and help."""
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.py':
        nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
        texts = [(node.lineno, node.value) for node in nodes if isinstance(node.value, str)]
    else:
        texts = [(1, text)]
    for line, words in texts:
        for found in PATTERN.finditer(re.sub(r'\s', ' ', words)):
            place = f'{path.relative_to(ROOT)}:{line + words[: found.start()].count(chr(10))}'
            remedy = next(say for old, say in SAY.items() if re.search(old, found[0], re.IGNORECASE))
            yield f'{place}: {found[0]!r}; say: {remedy}'


def test_pages():
    assert [line for path in PAGES for line in find(path)] == []


def test_docstrings_messages_and_help():
    assert [line for path in CODE for line in find(path)] == []


@pytest.mark.parametrize(
    'text', ['what a perfect\nobserver reaches', 'Foreign images', 'on covered faces', 'the model that comes along']
)
def test_old_words_are_found(text):
    assert PATTERN.search(re.sub(r'\s', ' ', text))
