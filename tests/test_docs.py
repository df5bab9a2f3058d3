"""The documentation says what the code does."""

import ast
import importlib
import json
import re
from pathlib import Path

import book
import pytest
from comparison_runs import write_methods

from mmfer import datasets
from mmfer.datasets.fer_plus import FERPlus

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / 'docs').glob('*.md'))
TUTORIALS = sorted((ROOT / 'docs/tutorials').glob('*.md'))  # which the build of the book runs
RUN_ELSEWHERE = ('add_a_head.md', 'deploy.md', 'inference.md', 'study.md')  # by tests of their own
NEED = dict(zip(('benchmarks.md', 'datasets.md'), ('a quiet machine', 'the data sets')))  # all of their blocks
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


@pytest.mark.parametrize('page', [*PAGES, *TUTORIALS, ROOT / 'CONTRIBUTING.md'], ids=lambda p: p.name)
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
    for path in set(re.findall(r'\b(?:configs|tools|benchmarks|mmfer|docs|tests)/[\w/]+\.(?:py|sh)', text)) - shown:
        assert (ROOT / path).is_file(), path
    modules = {name for path in shown for name in (Path(path).stem, path[:-3].replace('/', '.'))}
    for code in re.findall(r'```python\n(.*?)```', text, flags=re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module not in modules:
                module = importlib.import_module(node.module)
                for name in node.names:
                    assert hasattr(module, name.name), name.name


def test_formulas_are_drawn():
    assert any('$$' in page.read_text() for page in PAGES)
    assert "myst_enable_extensions = ['dollarmath']" in (ROOT / 'docs/conf.py').read_text()


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A small checkout; what one page leaves in it the next one finds."""
    return book.write_checkout(tmp_path_factory.mktemp('checkout'))


@pytest.fixture
def run_page(checkout, call_tool, monkeypatch):
    """Run a page in the checkout, whose model was trained as 'get started' says."""
    monkeypatch.chdir(checkout)

    def run(page, changes=(), names=None):
        folder = checkout / 'work_dirs/poster_var/synth'
        if page != 'get_started.md' and not folder.is_dir():
            code, _, errors = call_tool('tools/train.py', 'configs/poster_var/synth.py')
            assert code == 0, errors
        if page != 'get_started.md':
            (folder / 'epoch_7.pth').with_name('best_accuracy_epoch_7.pth').write_bytes(
                (folder / 'epoch_7.pth').read_bytes()
            )
        return book.run_page(page, checkout, call_tool, changes, names)

    return run


PLAIN = ('app.md', 'compare_heads.md', 'errors.md', 'faq.md', 'migrating.md', 'reproduce.md', 'running.md')
PLAIN += ('groups.md', 'uncertainty.md', 'visualization.md')
# A model that has learned next to nothing: of 300 images it has more than one in a hundred right, of 30 perhaps not.
MORE = '--max-error 0.99 --cfg-options test_dataloader.dataset.num_samples=600'
CHANGES = {'uncertainty.md': [('--max-error 0.05', MORE), ('--holdout 0.5', '--holdout 0.5 --method none')]}


def test_every_page_is_run():
    own = {'get_started.md', 'own_photos.md', 'extend.md'}
    plain = {page.name for page in PAGES} - own - {*RUN_ELSEWHERE, *NEED}
    assert {page for page in plain if page not in PLAIN and any(not b.needs for b in book.blocks(page))} == set()


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_commands_have_the_options_that_are_shown(page, monkeypatch, capsys):
    for block in book.blocks(page.name):
        for words in block.commands:
            try:
                book.understand(words, monkeypatch)
            except SystemExit:
                pytest.fail(f'{" ".join(words)}\n{capsys.readouterr().err}')


def test_get_started(run_page):
    quick = ('--epochs 2', '--epochs 1')
    names, told = run_page('get_started.md', [quick])
    assert names['face'].label in names['inferencer'].classes
    assert 'Bayes-optimal accuracy' in told


def test_own_photos(run_page, checkout):
    """From class folders to a model, a confusion matrix, and answers for new photos with their uncertainty."""
    book.write_photos(checkout / 'my_photos', ('angry', 'happy', 'sad'))
    book.write_photos(checkout / 'new_photos', ('x',), num=3)
    names, told = run_page('own_photos.md')
    assert names['matrix'].sum() == 18
    assert (checkout / 'confusion.png').is_file()
    assert len((checkout / 'answers.csv').read_text().splitlines()) == 4
    assert 'uncertainty' in (checkout / 'answers.csv').read_text()
    assert len(list((checkout / 'drawn').glob('*_cards.png'))) >= 3
    assert (checkout / 'work_dirs/my/photos/epoch_20_calibrated.pth').is_file()
    assert '18 images: accuracy' in told


def test_extend(run_page, checkout):
    names, told = run_page('extend.md')
    assert json.loads((checkout / 'extended.json').read_text())['metrics']['swapped'] >= 0
    assert 'ThinNet' in (checkout / 'configs/my/extended.py').read_text()


@pytest.mark.parametrize('page', PLAIN)
def test_page(page, run_page, checkout):
    """Comparisons that are there are made up."""
    if not (checkout / 'work_dirs/heads').is_dir():
        write_methods(
            checkout / 'work_dirs/heads', dict(vich=dict(noise=0.8, deviation='noise'), linear=dict(noise=1.2))
        )
    run_page(page, CHANGES.get(page, ()), dict(optim_wrapper={}))
