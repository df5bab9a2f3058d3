import shutil

import pytest
from processes import load_tool

TOOL = 'docs/write_model_zoo.py'
ZOO = load_tool(TOOL)


@pytest.fixture
def checkout(tmp_path, root, monkeypatch):
    """A checkout with the configs of one method, whose page and index are not written yet."""
    shutil.copytree(root / 'configs/_base_', tmp_path / 'configs/_base_')
    shutil.copytree(root / 'configs/poster_pp', tmp_path / 'configs/poster_pp')
    metafile = tmp_path / 'configs/poster_pp/metafile.yml'
    text = metafile.read_text()
    start = text.index('Models:')
    synth = next(entry for entry in text[start:].split('  - Name: ')[1:] if entry.startswith('poster_pp_synth\n'))
    metafile.write_text(f'{text[:start]}Models:\n  - Name: {synth}')
    (tmp_path / 'docs').mkdir()
    monkeypatch.setenv('MMFER_CONFIGS', str(tmp_path / 'configs'))
    return tmp_path


def test_pages_are_written_and_checked(checkout, call_tool):
    code, told, _ = call_tool(TOOL, '--check')
    assert (code, told) == (1, 'out of date: model-index.yml, docs/model_zoo.md\n')
    assert not list((checkout / 'docs').iterdir())
    code, told, _ = call_tool(TOOL, '--metadata')
    assert code == 0
    metafile = checkout / 'configs/poster_pp/metafile.yml'
    assert (checkout / 'model-index.yml').read_text().endswith('Import:\n  - configs/poster_pp/metafile.yml\n')
    assert '1.21 M' in (checkout / 'docs/model_zoo.md').read_text()
    assert call_tool(TOOL, '--metadata', '--check')[:2] == (0, 'all up to date\n')
    metafile.write_text(metafile.read_text().replace('Parameters: 1', 'Parameters: 9', 1))
    code, told, _ = call_tool(TOOL, '--metadata', '--check')
    assert (code, told) == (1, 'out of date: configs/poster_pp/metafile.yml, docs/model_zoo.md\n')


METAFILE = """Collections:
  - Name: Mine
    README: configs/mine/README.md

Models:
  - Name: a
    Metadata: {Parameters: 1, FLOPs: 2, Input: 3x4}
    Config: configs/mine/a.py
    Results: null
  - Name: b
    Metadata:
      FLOPs: 2
      Parameters: 1
      Input: 3x4
    Config: configs/mine/b.py
"""


def count(config):
    a = config.endswith('a.py')
    return dict(parameters=10 if a else 30, flops_per_image=20 if a else 40, input=[1, 3, 50, 60 if a else 70])


def test_numbers_are_brought_up_to_date_and_nothing_else():
    text = ZOO.fresh_metadata(METAFILE, count)
    assert '{Parameters: 10, FLOPs: 20, Input: 50x60}' in text
    assert 'FLOPs: 40\n      Parameters: 30\n      Input: 50x70' in text
    assert ZOO.fresh_metadata(text, count) == text
    assert [a for a, b in zip(text.splitlines(), METAFILE.splitlines()) if a == b] == [
        line for line in METAFILE.splitlines() if not any(word in line for word in ('Parameters', 'FLOPs', 'Input'))
    ]


def test_an_entry_without_a_place_for_a_number_is_an_error():
    with pytest.raises(ValueError, match='configs/mine/a.py: its entry in the metafile needs FLOPs: once, not 0 times'):
        ZOO.fresh_metadata(METAFILE.replace('FLOPs: 2, ', ''), count)
