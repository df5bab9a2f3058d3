"""docs/add_a_head.md: its files, written into a folder of a user, do what the page says."""

import argparse
import ast
import importlib
import sys

import book
import pytest
import torch
from processes import ROOT, python
from small_runs import small_config

from mmfer.apis import swap_head
from mmfer.cli import compare
from mmfer.datasets import SynthFER
from mmfer.engine.train import train
from mmfer.experiments.methods import plan_methods, write_configs
from mmfer.registry import MODELS

BLOCKS = book.blocks('add_a_head.md')
FILES = {block.file: block.text for block in BLOCKS if block.file}
COMMANDS = [line for block in BLOCKS if block.kind == 'bash' for line in block.text.splitlines()]
HEAD, FRAGMENT, CONFIG, TEST = FILES
SMALL = [
    *('train_dataloader.batch_size=8', 'train_dataloader.dataset.num_samples=16', 'train_cfg.max_epochs=1'),
    'param_scheduler.0.total_steps=1',
    *(f'{part}_dataloader.dataset.num_samples=10' for part in ('val', 'test')),
]


def words(start):
    """The arguments of the page's command that begins like this."""
    (command,) = (line for line in COMMANDS if line.startswith(start))
    return command[len(start) :].split()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The top of a checkout with the files of the page, whose heads are on the path."""
    folder = tmp_path_factory.mktemp('checkout')
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ('_base_', 'poster_var'):
        (folder / 'configs' / name).symlink_to(ROOT / 'configs' / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder / 'my_heads')
        yield folder
    MODELS.module_dict.pop('LogitAdjustedHead', None)
    for name in ('logit_adjusted_head', 'test_logit_adjusted_head'):
        sys.modules.pop(name, None)


@pytest.fixture
def at_the_top(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_one_file_one_config_one_test():
    folder = 'my_heads'
    names = [f'{folder}/{name}.py' for name in ('logit_adjusted_head', 'logit_adjusted', 'test_logit_adjusted_head')]
    assert names == [HEAD, FRAGMENT, TEST]
    assert 'export PYTHONPATH=$PWD/my_heads' in COMMANDS


@pytest.mark.parametrize(
    'name', [node.name for node in ast.parse(FILES[TEST]).body if getattr(node, 'name', '').startswith('test_')]
)
def test_the_shown_test_passes(folder, name):
    test = getattr(importlib.import_module('test_logit_adjusted_head'), name)
    calls = [{}]
    for mark in getattr(test, 'pytestmark', ()):
        argument, values = mark.args
        calls = [{argument: value} for value in values]
    for call in calls:
        torch.manual_seed(0)
        test(**call)


@pytest.mark.long
def test_the_shown_test_passes_as_the_page_says(folder):
    arguments = ('-m', 'pytest', *words('python -m pytest'), '-c', ROOT / 'pyproject.toml')
    result = python(*arguments, cwd=folder, env=dict(PYTHONPATH=str(folder / 'my_heads')))
    assert result.returncode == 0, result.stdout[-3000:]


def test_the_counts_are_those_of_the_data(folder):
    counts = list(SynthFER(split='train').class_counts().values())
    assert swap_head(small_config(folder), folder / FRAGMENT).model.head.class_counts == counts
    assert repr(counts) in FILES[CONFIG]


def test_the_config_trains_under_its_name(at_the_top, tmp_path, call_tool):
    (config,) = words('mmfer train')
    assert config == CONFIG
    code, out, err = call_tool('mmfer train', config, '--work-dir', tmp_path, '--cfg-options', *SMALL)
    assert code == 0, err[-3000:]
    checkpoint = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert checkpoint['meta']['iter'] == 2
    state = checkpoint['state_dict']
    assert {name for name in state if name.startswith('head.')} == {'head.fc.weight', 'head.fc.bias'}
    code, out, err = call_tool(
        'mmfer test', config, tmp_path / 'epoch_1.pth', '--work-dir', tmp_path / 'test', '--cfg-options', *SMALL
    )
    assert code == 0, err[-3000:]
    assert '10 images: accuracy' in out + err


def test_the_comparison_takes_the_head(at_the_top, tmp_path):
    """All of the page's command but the trainings of the others."""
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    args = parser.parse_args(words('mmfer compare'))
    assert args.heads[-1] == FRAGMENT
    options = dict(option.split('=') for option in SMALL)
    options = {name: int(value) for name, value in options.items()}
    methods = plan_methods(args.configs, args.heads, tmp_path, options)
    write_configs(methods)
    assert [method.name for method in methods] == ['vich', 'linear', 'logit_adjusted']
    mine, other = methods[-1].settings, methods[-2].settings
    changed = {name for name in {*mine, *other} if mine.get(name) != other.get(name)}
    assert changed
    assert all(name.startswith('model.head.') for name in changed), changed
    runner = train(methods[-1].config, work_dir=tmp_path / 'run')
    assert runner.iter == 2
    assert type(runner.model.head).__name__ == 'LogitAdjustedHead'
