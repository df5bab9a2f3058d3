"""The README's own examples, links and figures."""

import json
import re
from pathlib import Path

import book
import pytest
import torch
from processes import load_tool

from mmfer.apis import load_config
from mmfer.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text()
TABLES = load_tool('docs/write_tables.py')


@pytest.mark.parametrize('path', sorted(set(re.findall(r'\]\((?!http)([^)#\s]+)', README))))
def test_links_lead_somewhere(path):
    assert (ROOT / path).exists()


def test_configs_that_are_named_exist():
    names = set(re.findall(r'configs/[\w/]+\.py', README))
    assert names
    assert [name for name in names if not (ROOT / name).is_file()] == []


def test_commands_have_the_options_that_are_shown(monkeypatch):
    commands = [words for block in book.blocks('../README.md') for words in block.commands]
    for words in commands:
        book.understand(words, monkeypatch)
    told = [' '.join(words) for words in commands]
    assert 'python -m pip install -e .[train] && mmfer train poster_var/synth' in told
    assert 'python -m pip install -e .[train,tests] && python -m pytest' in told


def test_a_head_is_swapped(tmp_path):
    """The config runs from any folder, and its head fits the network."""
    path = tmp_path / 'my_head.py'
    path.write_text(next(block.text for block in book.blocks('../README.md') if 'model.head' in block.text))
    model = MODELS.build(load_config(path).model)
    assert type(model.head).__name__ == 'EvidentialHead'
    assert model(torch.zeros(2, 3, 40, 40), mode='tensor').shape == (2, 7)


def test_it_is_read_in_one_sitting():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize('page', TABLES.PAGES)
def test_tables_are_those_of_the_logs(page):
    text = (ROOT / page).read_text()
    assert TABLES.MARK.search(text)
    assert TABLES.fresh(text) == text, 'run: python docs/write_tables.py'


def test_figures_of_the_shipped_model():
    tests = [json.loads(line) for line in (ROOT / 'docs/results/ferplus_small/test.jsonl').open()]
    plain = next(test for test in tests if 'tta' not in test['command'] and 'exclude' not in test['command'])
    row = next(line for line in README.splitlines() if line.startswith('| mmfer, `poster_var_ferplus_small`'))
    figures = [cell.strip() for cell in row.split('|')[2:]]
    assert figures[0].startswith(f'{plain["accuracy"]:.1f} (')
    assert figures[1:3] == [f'{plain["accuracy_at_90"]:.1f}', f'{plain["ece"]:.1f}']


def test_figures_of_papers():
    assert re.search(r'\[POSTER-Var\]\(configs/poster_var/README.md\) \| 92.76 \| 67.91 \|', README)
