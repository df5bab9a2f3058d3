"""A model as onnxruntime runs it, for a benchmark."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmfer.visualization.optional import require


def onnx_session(model: nn.Module, images: Tensor) -> Callable[[np.ndarray], np.ndarray]:
    """Export a model for images like these (B, 3, H, W), and give what computes its first output on the CPU.

    It has as many threads as PyTorch and takes batches of this size alone. The file is gone when this returns.

    Raises:
        ImportError: If onnx or onnxruntime is not installed.
        ValueError: If the model cannot be exported.
    """
    require('onnx', 'mmfer[deploy]', 'the model is exported to be timed in onnxruntime')
    onnxruntime = require('onnxruntime', 'mmfer[deploy]', 'the exported model is timed in it')
    from mmfer.deploy.export import write_onnx
    from mmfer.deploy.export_model import ExportModel
    from mmfer.deploy.onnx_classifier import BATCH

    exported = ExportModel(model, tuple(images.shape[2:]), fast=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_free_dimension_override_by_name(BATCH, len(images))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'model.onnx')
        write_onnx(exported, images[:1].expand(2, -1, -1, -1).contiguous(), path)
        session = onnxruntime.InferenceSession(str(path), options, ['CPUExecutionProvider'])
    return lambda batch: session.run(None, {'images': batch})[0]
