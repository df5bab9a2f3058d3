import shutil

import pytest

TOOL = 'tools/analysis/model_zoo.py'


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
