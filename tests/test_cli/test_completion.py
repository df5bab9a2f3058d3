"""What a shell is told when it asks how a command line goes on."""

import pytest
from processes import python

pytest.importorskip('argcomplete')


def completions(line, folder):
    asks = dict(COMP_LINE=line, COMP_POINT=str(len(line)), _ARGCOMPLETE='1', _ARGCOMPLETE_IFS='\n')
    out = folder / 'completions'
    result = python('-m', 'mmfer', cwd=folder, env=dict(asks, _ARGCOMPLETE_STDOUT_FILENAME=str(out)))
    assert result.returncode == 0, result.stderr
    return [word.strip() for word in out.read_text().split('\n')]


@pytest.mark.parametrize(
    ('line', 'word'),
    [
        ('mmfer tr', 'train'),
        ('mmfer data ver', 'verify'),
        ('mmfer compare --lab', '--label-noise'),
        ('mmfer train poster_var/synth_li', 'poster_var/synth_linear'),
        ('mmfer test poster_var/synth epoch_', 'epoch_7.pth'),
    ],
)
def test_the_one_that_fits(line, word, tmp_path):
    (tmp_path / 'epoch_7.pth').touch()
    assert completions(line, tmp_path) == [word]
