import json

import exports
import onnx
import torch

from mmfer.utils.checkpoint import checkpoint_classes, load_checkpoint

TOOL = 'mmfer export'


def test_all_options(tmp_path, call_tool, monkeypatch):
    config = exports.config_of()
    config.dump(tmp_path / 'config.py')
    checkpoint = exports.write(config, tmp_path / 'a.pth', classes=None)
    out, program = tmp_path / 'a.onnx', tmp_path / 'a.pt2'
    names = [f'class {i}' for i in range(7)]
    arguments = (tmp_path / 'config.py', checkpoint, out)
    weights = tmp_path / 'a.safetensors'
    options = ('--classes', *names, '--opset', 19, '--no-fast', '--program', program, '--weights', weights)
    code, output, errors = call_tool(TOOL, *arguments, *options)
    assert code == 0, errors
    for text in ('largest difference of onnxruntime to PyTorch', f'wrote {out}', f'wrote {program}'):
        assert text in output
    file = onnx.load(str(out))
    assert file.opset_import[0].version == 19
    assert any(node.op_type == 'PRelu' for node in file.graph.node)
    said = json.loads(next(entry.value for entry in file.metadata_props if entry.key == 'mmfer'))
    assert said['classes'] == names == list(checkpoint_classes(load_checkpoint(weights)))
    assert said['config'] == 'config.py'
    extra = {'mmfer.json': ''}
    torch.export.load(program, extra_files=extra)
    assert json.loads(extra['mmfer.json']) == said
    code, _, errors = call_tool(TOOL, *arguments, '--cfg-options', 'model.head.num_classes=5')
    assert code == 1
    assert 'error: ' in errors
    assert 'for 7 classes, the config for 5' in errors


def test_mistakes_are_one_line(tmp_path, call_tool):
    exports.config_of().dump(tmp_path / 'config.py')
    checkpoint = exports.write(exports.config_of(), tmp_path / 'a.pth')
    for arguments, text in (
        ((tmp_path / 'none.py', checkpoint, tmp_path / 'a.onnx'), 'config not found'),
        ((tmp_path / 'config.py', tmp_path / 'none.pth', tmp_path / 'a.onnx'), 'checkpoint not found'),
        ((tmp_path / 'config.py', checkpoint, tmp_path / 'a.pth'), 'name a file that ends in .onnx'),
        ((tmp_path / 'config.py', checkpoint, tmp_path / 'none/a.onnx'), 'there is no folder'),
        ((tmp_path / 'config.py', checkpoint, tmp_path / 'a.onnx', '--opset', 3), 'opset=3: 17 to 20'),
        ((tmp_path / 'config.py', checkpoint, tmp_path / 'a.onnx', '--images', tmp_path / 'none'), 'no such folder'),
    ):
        code, _, errors = call_tool(TOOL, *arguments)
        assert code == 1
        assert text in errors
        assert 'Traceback' not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.pth', 'config.py']
