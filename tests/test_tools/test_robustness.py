import pytest
from comparison_runs import write_methods
from processes import load_tool

TOOL = 'tools/analysis/robustness.py'


def test_everything_reaches_the_report(monkeypatch):
    told = []
    monkeypatch.setattr('mmfer.comparison.robustness_run.report_robustness', lambda *args: told.append(args) or 0)
    tool = load_tool(TOOL)
    words = ['a', 'b', '--occlusion', '0.1', '0.2', '--regions', 'eyes', '--occlusion-seed', '4', '--methods', 'vich']
    words += ['--reference', 'vich', '--level', '0.9', '--work-dir', 'out']
    assert tool.run(tool.parse_args(words)) == 0
    command = f'python tools/analysis/robustness.py {" ".join(words)}'
    assert told == [(['a', 'b'], 'out', [0.1, 0.2], ['eyes'], 4, ['vich'], 0.9, 'vich', command)]
    tool.run(tool.parse_args(['a', 'b']))
    assert told[1][:5] == (['a', 'b'], 'a', [], [], 0)


def test_mistakes_are_one_message(call_tool, tmp_path):
    root = write_methods(tmp_path / 'runs', dict(vich={}, linear={}), num=20)
    for words, message in (
        ([root], 'only one condition, clean'),
        ([root, '--occlusion', '30'], 'share=30.0 must be within [0, 1]'),
        ([root, '--regions', 'nose'], "region='nose' is not one of block, upper"),
        ([tmp_path / 'nothing'], 'no such folder'),
        ([root, '--occlusion', '0.2'], 'the checkpoint is not there'),
    ):
        code, _, errors = call_tool(TOOL, *words)
        assert code == 1
        assert message in errors
        assert 'Traceback' not in errors
    assert not list(root.rglob('robustness*'))


def test_level_is_a_fraction(capsys):
    with pytest.raises(SystemExit):
        load_tool(TOOL).parse_args(['d', '--level', '95'])
    assert 'e.g. 0.95' in capsys.readouterr().err
