"""Errors that end with "(mmfer explain CODE)", and the page that explains them."""

import re

import pytest
from base_install import base_python
from processes import ROOT

from mmfer.cli import main
from mmfer.cli.explain import read_sections

SECTIONS = read_sections()
SOURCES = '\n'.join(path.read_text() for path in sorted((ROOT / 'mmfer').rglob('*.py')))


def test_messages_and_page_name_the_same_codes():
    assert set(re.findall(r'\(mmfer explain ([a-z-]+)\)', SOURCES)) == set(SECTIONS)


@pytest.mark.parametrize('code', SECTIONS)
def test_a_section_has_message_meaning_remedy_and_command(code):
    message, meaning, remedy, *commands = SECTIONS[code].split('\n\n')
    assert '\n' not in message
    assert min(len(meaning), len(remedy)) > 60
    assert commands
    assert all(command.startswith('    ') for command in commands)
    assert not re.search(r'```|<!--|\]\(|`', SECTIONS[code])


def test_without_anything_but_the_base():
    """The offline text comes in no time, from a plain installation."""
    code = "import sys; from mmfer.cli import main; print(main(['explain', 'channels']), 'numpy' in sys.modules)"
    result = base_python(code)
    assert result.stdout.endswith('0 False\n'), result.stderr
    assert "channels='bgr'" in result.stdout


def test_list_and_unknown_codes(capsys):
    assert main(['explain']) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(SECTIONS)
    assert main(['explain', 'chanel']) == 1
    assert 'channels' in capsys.readouterr().err
