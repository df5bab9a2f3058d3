import exports
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from mmfer.inference.export.quantise import NETWORK, Quantiser, optimise, to_float16
from mmfer.inference.export.write import export_onnx
from mmfer.weights import shipped_file


def images(count, size=32):
    generator = np.random.default_rng(0)
    return generator.normal(size=(count, 3, size, size)).astype(np.float32)


def run(path, batch):
    session = onnxruntime.InferenceSession(str(path))
    assert {one.type for one in (*session.get_inputs(), *session.get_outputs())} == {'tensor(float)'}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {'images': batch})))


def kinds(path, operation):
    """Element types of the weights of each node of this kind, also behind the operation that makes floats of them."""
    graph = onnx.load(str(path)).graph
    weights = {each.name: each.data_type for each in graph.initializer}
    weights.update({n.output[0]: weights[n.input[0]] for n in graph.node if n.input and n.input[0] in weights})
    return {node.name: weights.get(node.input[1]) for node in graph.node if node.op_type == operation}


@pytest.fixture(scope='module')
def optimised(tmp_path_factory):
    """A small file, optimised."""
    folder, config = tmp_path_factory.mktemp('files'), exports.config_of()
    export_onnx(config, exports.write(config, folder / 'a.pth', calibrated=True), folder / 'a.onnx')
    optimise(folder / 'a.onnx', folder / 'optimised.onnx')
    return folder / 'optimised.onnx'


def test_eight_bits(optimised, tmp_path):
    out, quantiser = tmp_path / 'a.onnx', Quantiser(optimised, images(20))
    quantiser.write(out, list(quantiser.parts))
    assert set(kinds(out, 'Conv').values()) == {TensorProto.INT8}
    assert set(kinds(out, 'Gemm').values()) == {TensorProto.FLOAT}, 'the head is in 8 bits'
    file = onnx.load(str(out))
    onnx.checker.check_model(file)
    weights = [numpy_helper.to_array(each) for each in file.graph.initializer if each.data_type == TensorProto.INT8]
    assert max(int(np.abs(each.astype(int)).max()) for each in weights if each.ndim == 4) <= 64, 'more than 7 bits'
    assert 'mmfer' in [entry.key for entry in file.metadata_props]
    assert {opset.domain for opset in file.opset_import} == {''}
    for batch in (1, 3, 16):
        exact, found = run(optimised, images(batch)), run(out, images(batch))
        assert list(exact) == list(found)
        assert 0 < np.abs(exact['probs'] - found['probs']).max() < 0.05


def test_some_parts_alone(optimised, tmp_path):
    quantiser = Quantiser(optimised, images(4))
    quantiser.write(tmp_path / 'a.onnx', [exports.BLOCK])
    found = kinds(tmp_path / 'a.onnx', 'Conv')
    assert {found[name] for name in quantiser.parts[exports.BLOCK] if name in found} == {TensorProto.INT8}
    assert found['/backbone/stem/stem.0/Conv'] == TensorProto.FLOAT


def test_the_part_that_suffers_most_comes_first(tmp_path):
    config = exports.config_of()
    checkpoint = exports.spoil(exports.write(config, tmp_path / 'a.pth'))
    export_onnx(config, checkpoint, tmp_path / 'a.onnx')
    optimise(tmp_path / 'a.onnx', tmp_path / 'b.onnx')
    quantiser = Quantiser(tmp_path / 'b.onnx', images(40))
    order = quantiser.rank(tmp_path / 'c.onnx')
    assert order[0] == exports.BLOCK
    assert sorted(order) == sorted(quantiser.parts)


def test_nothing_to_quantise(tmp_path):
    node = helper.make_node('Relu', ['images'], ['probs'], name='/fc/Relu')
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ('images', 'probs')]
    graph = helper.make_graph([node], 'a', ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), str(tmp_path / 'a.onnx'))
    with pytest.raises(ValueError, match='no convolution or matrix product'):
        Quantiser(tmp_path / 'a.onnx', images(1))


def test_half_precision_of_the_shipped_model(tmp_path):
    """Its head takes logarithms of numbers that float16 does not have."""
    source = shipped_file('poster_var_ferplus_small', '.onnx')
    optimise(source, tmp_path / 'a.onnx')
    to_float16(tmp_path / 'a.onnx', tmp_path / 'b.onnx')
    onnx.checker.check_model(onnx.load(str(tmp_path / 'b.onnx')))
    found = kinds(tmp_path / 'b.onnx', 'Conv')
    assert {found[name] for name in found if name.startswith(NETWORK)} == {TensorProto.FLOAT16}
    exact, half = (run(path, images(3, 48)) for path in (source, tmp_path / 'b.onnx'))
    for name, value in exact.items():
        np.testing.assert_allclose(half[name], value, rtol=0, atol=0.01, err_msg=name)
    assert (tmp_path / 'b.onnx').stat().st_size < 0.6 * torch.tensor(source.stat().st_size)
