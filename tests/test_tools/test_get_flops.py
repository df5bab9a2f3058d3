import json

TOOL = 'mmfer flops'
CONFIG = 'configs/poster_var/synth.py'


def test_table_and_json(call_tool, root, tmp_path):
    out = tmp_path / 'flops.json'
    code, told, _ = call_tool(TOOL, root / CONFIG, '--size', 40, '--batch', 2, '--parts', '--out', out)
    assert code == 0
    result = json.loads(out.read_text())
    assert result['input'] == [2, 3, 40, 40]
    assert result['flops'] == 2 * result['flops_per_image']
    for words in (
        f'{result["parameters"]:,}',
        'GFLOPs an image',
        'GFLOPs of the batch',
        'neck.encoder',
        'attention included',
    ):
        assert words in told
    assert [path.name for path in tmp_path.iterdir()] == ['flops.json']


def test_mistakes_are_one_message(call_tool, root, tmp_path):
    for words, message in (
        (['none.py'], 'config not found'),
        ([root / CONFIG, '--batch', 0], 'batch=0'),
        ([root / CONFIG, '--out', tmp_path / 'x.txt'], 'name a file that ends in .json'),
        ([root / CONFIG, '--out', tmp_path / 'no/x.json'], 'there is no such folder'),
    ):
        code, _, errors = call_tool(TOOL, *words)
        assert code == 1
        assert message in errors
        assert 'Traceback' not in errors
    assert not list(tmp_path.iterdir())
