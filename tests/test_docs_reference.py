"""Pages of the reference that are made from the code."""

import re

import pytest
from processes import ROOT, load_tool

from mmfer.apis import load_config
from mmfer.cli import VERBS

REFERENCE = load_tool('docs/reference.py')
VERBS_PAGE, RUNTIME = REFERENCE.verbs_page(), REFERENCE.runtime_page()


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_and_option_is_there(verb):
    section = re.search(rf'^## mmfer {verb}\n(.*?)(?=^## mmfer |\Z)', VERBS_PAGE, re.M | re.S)[1]
    actions = REFERENCE.verb_parser(verb)._actions
    names = [name for action in actions if action.dest != 'help' for name in action.option_strings]
    assert [name for name in names if f'`{name}' not in section] == []
    assert len(re.findall(r'^\| `', section, re.M)) == len(actions) - 1


def test_every_key_of_the_runtime_has_a_meaning():
    config = load_config(ROOT / 'configs/_base_/default_runtime.py')
    rows = dict(re.findall(r'^\| `([\w.]+)` \| `.*` \| (.*) \|$', RUNTIME, re.M))
    hooks = {f'default_hooks.{name}' for name in config.default_hooks}
    keys = {key for key in config if key.islower() and key != 'default_hooks'}  # others are classes it imports
    assert set(rows) == hooks | keys
    assert [key for key, meaning in rows.items() if not meaning] == []


def test_every_base_is_there():
    page = REFERENCE.bases_page()
    files = sorted((ROOT / 'configs/_base_').glob('*/*.py'))
    assert [path.name for path in files if not re.search(rf'^\| `{path.name}` \| \w', page, re.M)] == []


def test_marks_are_filled():
    for page in ('cli', 'config_reference'):
        text = (ROOT / f'docs/{page}.md').read_text()
        assert REFERENCE.MARK.search(text)
        assert not REFERENCE.MARK.search(REFERENCE.fill(text))
