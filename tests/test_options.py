import argparse
import sys

import mmengine.config
import pytest
from processes import python

from mmfer.options import DictAction

WORDS = ['a=1', 'b.c=[1,2]', "d=(1,'x')", 'e=None', 'f=true', 'g=1e-3', 'h=text', 'i=a=b', 'j=1,2']


def parse(action, words):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=action)
    return parser.parse_args(['--cfg-options', *words]).cfg_options


def test_options_are_what_mmengine_makes_of_them():
    assert parse(DictAction, WORDS) == parse(mmengine.config.DictAction, WORDS)


def test_a_word_that_is_no_option_is_named(capsys):
    with pytest.raises(SystemExit):
        parse(DictAction, ['a=1', 'b'])
    assert '--cfg-options b: expected NAME=VALUE' in capsys.readouterr().err


def test_nothing_is_imported_for_it():
    code = 'import sys, mmfer.options; print([n for n in ("torch", "mmengine", "numpy") if n in sys.modules])'
    assert python('-c', code).stdout.strip() == '[]', sys.version


def test_whole_dicts_are_options():
    words = ['optim_wrapper.optimizer=dict(type="SGD",lr=0.1)', "a={'1': 'surprise'}", 'b=2']
    assert parse(DictAction, [*words, 'custom_hooks=[dict(type="EMAHook")]']) == {
        'optim_wrapper.optimizer': dict(type='SGD', lr=0.1),
        'a': {'1': 'surprise'},
        'custom_hooks': [dict(type='EMAHook')],
        'b': 2,
    }


@pytest.mark.parametrize('word', ['a=dict(b=', 'a=dict(print(1))', 'a={"b": open("x")}'])
def test_code_is_no_option(word, capsys):
    with pytest.raises(SystemExit):
        parse(DictAction, [word])
    assert f'--cfg-options {word}: ' in capsys.readouterr().err
