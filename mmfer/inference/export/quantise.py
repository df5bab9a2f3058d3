"""Exported files in half precision and in 8 bits, made from those in single precision by onnxruntime's own tools."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mmfer.inference.onnx import OnnxClassifier
from mmfer.utils.progress import track

PRECISIONS = ('float32', 'float16', 'int8')
OPERATIONS = ('Add', 'Conv', 'Gemm', 'MatMul', 'Relu')  # that onnxruntime computes faster in 8 bits
NETWORK = ('/backbone/', '/neck/')  # names of its nodes begin so; all others are of the head, which stays in float32
RANKED_BY = 32  # calibration images that the parts are ranked by
BATCH = 16


@contextmanager
def quiet() -> Iterator[None]:
    """Without the advice that onnxruntime's tools log."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)


def optimise(source: Path, out: Path) -> None:
    """Write a file with its constants folded and its shapes inferred, as the conversions need it."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with quiet():
        quant_pre_process(str(source), str(out), skip_symbolic_shape=True)


def to_float16(source: Path, out: Path) -> None:
    """Write an optimised file with the weights and maps of the network in float16.

    The head, inputs and outputs stay in float32.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    model = onnx.load(str(source))
    kept = [node.name for node in model.graph.node if not node.name.startswith(NETWORK)]
    with quiet():
        converted = OnnxModel(convert_float_to_float16(model, keep_io_types=True, node_block_list=kept))
        # The converter rounds what goes from one node in float32 to the next, too: 1e-38 before a logarithm becomes 0.
        converted.remove_cascaded_cast_nodes()
        converted.topological_sort()
    _save(converted.model, source, out)


class Quantiser:
    """Writes an optimised file with convolutions and matrix products of the network in 8 bits.

    Weights have a scale for each output channel, maps one scale and zero point from the calibration images. Weights
    use 7 of their 8 bits: CPUs without VNNI add products in 16 bits, which then cannot overflow, so that the file
    answers alike on all of them.

    Args:
        source: Of :func:`optimise`, with mmfer's description.
        images: The calibration images, normalised, float32 (N, 3, H, W).

    Attributes:
        parts: Names of the nodes that can be in 8 bits, by the part of the network that they are of.

    Raises:
        ValueError: If there are none.
    """

    def __init__(self, source: Path, images: np.ndarray) -> None:
        import onnx

        self.source, self.images = source, images
        self.parts: dict[str, list[str]] = {}
        for node in onnx.load(str(source)).graph.node:
            if node.op_type in OPERATIONS and node.name.startswith(NETWORK):
                self.parts.setdefault('.'.join(node.name.split('/')[1:-1][:3]), []).append(node.name)
        if not self.parts:
            raise ValueError('the network has no convolution or matrix product that could be computed in 8 bits')

    def write(self, out: Path, parts: Sequence[str], images: np.ndarray | None = None) -> None:
        """Write the file with these parts in 8 bits, by ``images`` instead of all calibration images where given."""
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

        class Reader(CalibrationDataReader):
            def __init__(self, images: np.ndarray) -> None:
                self._batches = iter(np.split(images, range(BATCH, len(images), BATCH)))

            def get_next(self) -> dict[str, np.ndarray] | None:
                batch = next(self._batches, None)
                return None if batch is None else dict(images=batch)

        with quiet():
            quantize_static(
                str(self.source),
                str(out),
                Reader(self.images if images is None else images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(OPERATIONS),
                nodes_to_quantize=[name for part in parts for name in self.parts[part]],
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options=dict(MatMulConstBOnly=True),
            )
        _save(onnx.load(str(out)), self.source, out)

    def rank(self, scratch: Path) -> list[str]:
        """The parts, first those whose 8 bits alone change the probabilities of calibration images most on average.

        Args:
            scratch: A file to write to.
        """
        images = self.images[:: max(1, len(self.images) // RANKED_BY)][:RANKED_BY]
        exact = _probabilities(self.source, images)
        errors = {}
        for part in track(self.parts, len(self.parts), 'Sensitivity'):
            self.write(scratch, [part], images)
            found = _probabilities(scratch, images)
            errors[part] = float(np.nan_to_num(np.abs(found - exact), nan=np.inf).mean())
        return sorted(errors, key=lambda part: -errors[part])


def _probabilities(path: Path, images: np.ndarray) -> np.ndarray:
    model = OnnxClassifier(path)
    parts = np.split(images, range(BATCH, len(images), BATCH))
    return np.concatenate([model.run(part)['probs'] for part in parts])


def _save(model, source: Path, out: Path) -> None:  # type: ignore[no-untyped-def]
    """Save a converted model with the description of its source, and without the operator sets that it does not use."""
    import onnx

    used = {node.domain for node in model.graph.node}
    opsets = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    about = {entry.key: entry.value for entry in onnx.load(str(source)).metadata_props}
    onnx.helper.set_model_props(model, about)
    onnx.save(model, str(out))
