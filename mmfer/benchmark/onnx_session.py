"""A model as onnxruntime runs it, for a benchmark."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmfer.visualization.optional import require


def onnx_session(model: nn.Module, data: dict) -> Callable[[], Tensor]:
    """Export a model, and give what computes its first output for a batch of uint8 images on the CPU.

    As in :class:`mmfer.deploy.OnnxClassifier`, NumPy normalises: PyTorch's threads, which go on spinning for a while,
    would take the cores from those of onnxruntime, of which there are as many. The file is gone when this returns.

    Args:
        model: The model.
        data: The batch, with ``inputs``: B images (3, H, W).

    Raises:
        ImportError: If onnx or onnxruntime is not installed.
        ValueError: If the model cannot be exported.
    """
    require('onnx', 'mmfer[deploy]', 'the model is exported to be timed in onnxruntime')
    onnxruntime = require('onnxruntime', 'mmfer[deploy]', 'the exported model is timed in it')
    from mmfer.deploy.describe import read_normalisation
    from mmfer.deploy.export import write_onnx
    from mmfer.deploy.export_model import ExportModel
    from mmfer.deploy.onnx_classifier import BATCH, normalise

    images = model.data_preprocessor(data, False)['inputs']
    taken = read_normalisation(model)
    mean, std = (np.array(taken[name], np.float32).reshape(3, 1, 1) for name in ('mean', 'std'))
    exported = ExportModel(model, tuple(images.shape[2:]), fast=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_free_dimension_override_by_name(BATCH, len(images))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'model.onnx')
        write_onnx(exported, images[:1].expand(2, -1, -1, -1).contiguous(), path)
        session = onnxruntime.InferenceSession(str(path), options, ['CPUExecutionProvider'])

    def run() -> Tensor:
        pixels = np.stack([image.numpy() for image in data['inputs']])
        batch = normalise(pixels, mean, std, taken['channel_order'] == 'RGB')
        return torch.from_numpy(session.run(None, {'images': batch})[0])

    return run
