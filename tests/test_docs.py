"""The documentation says what the code does."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from mmfer import datasets
from mmfer.datasets.fer_plus import FERPlus

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / 'docs').glob('*.md'))
DATASETS = (ROOT / 'docs/datasets.md').read_text()
SECTIONS = dict(re.findall(r'^## (.+?)\n(.*?)(?=^## |\Z)', DATASETS, flags=re.MULTILINE | re.DOTALL))
PUBLISHED = {
    'RAF-DB basic': datasets.RAFDB,
    'RAF-DB compound': datasets.RAFDBCompound,
    'AffectNet': datasets.AffectNet,
    'FER+': datasets.FERPlus,
    'FER2013': datasets.FER2013,
    'SFEW 2.0': datasets.SFEW,
    'CAER-S': datasets.CAERS,
    'ExpW': datasets.ExpW,
    'KDEF': datasets.KDEF,
    'CK+': datasets.CKPlus,
    'JAFFE': datasets.JAFFE,
}


def anchor(title):
    """The link target that GitHub makes of a heading."""
    return re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-')


@pytest.mark.parametrize('title', PUBLISHED)
def test_data_sets_are_described_as_they_are_read(title):
    text, cls = re.sub(r'\s+', ' ', SECTIONS[title]), PUBLISHED[title]
    page = re.search(r'https?://[^\s,;()]+', cls.HOMEPAGE)[0]
    assert page.rstrip('/') in text
    # the classes appear in the order of the labels
    order = r'.{0,12}?'.join(map(re.escape, cls.METAINFO['classes']))
    assert re.search(order, text), cls.METAINFO['classes']
    counts = FERPlus.COUNTS_BY_RULE.values() if cls is FERPlus else [cls.PUBLISHED_COUNTS]
    if title not in ('CK+', 'KDEF'):  # which depend on their options
        for table in counts:
            for numbers in table.values():
                for number in (sum(numbers), *numbers) if isinstance(numbers, tuple) else (numbers,):
                    assert re.search(rf'(?<![\d,]){number:,}(?![\d,]*\d)', text), f'{number:,}'
    row = next(line for line in DATASETS.splitlines() if f'](#{anchor(title)})' in line)
    assert f'`{cls.__name__}`' in row


def test_every_data_set_and_data_config_is_documented():
    exported = {n for n in datasets.__all__ if isinstance(getattr(datasets, n), type)}
    registered = {n for n in exported if issubclass(getattr(datasets, n), datasets.FERDataset)} - {'FERDataset'}
    assert {name for name in registered if f'`{name}`' not in DATASETS} == set()
    configs = {path.name for path in (ROOT / 'configs/_base_/datasets').glob('*.py')}
    assert {name for name in configs if f'`{name}`' not in DATASETS} == set()
    wrappers_and_samplers = {*datasets.wrappers.__all__, *datasets.samplers.__all__} - {
        'DatasetWrapper',
        'ClassSampler',
        'labels_of',
    }
    assert {name for name in wrappers_and_samplers if name not in DATASETS} == set()


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    titles = {anchor(title) for title in re.findall(r'^#+ (.+)$', text, flags=re.MULTILINE)}
    for target in re.findall(r'\]\((?!http)([^)\s]+)\)', text):
        path, _, title = target.partition('#')
        assert not path or (page.parent / path).exists(), target
        assert path or title in titles, target


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.name)
def test_code_names_what_exists(page):
    text = page.read_text()
    shown = set(re.findall(r'^```python\n# (\S+\.py)$', text, flags=re.MULTILINE))  # files that the reader writes
    for path in set(re.findall(r'(?:configs|tools)/[\w/]+\.(?:py|sh)', text)) - shown:
        assert (ROOT / path).is_file(), path
    modules = {Path(path).stem for path in shown}
    for code in re.findall(r'```python\n(.*?)```', text, flags=re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module not in modules:
                module = importlib.import_module(node.module)
                for name in node.names:
                    assert hasattr(module, name.name), name.name
