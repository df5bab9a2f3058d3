"""From a checkpoint to files that run without mmfer: ONNX, and a program of ``torch.export``."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from safetensors.torch import save
from torch import Tensor, nn

from mmfer.inference.onnx import BATCH, KEY, OnnxClassifier, first_line
from mmfer.models.build import init_model
from mmfer.utils.checkpoint import checkpoint_classes, classes_text, load_checkpoint
from mmfer.utils.config_options import load_config
from mmfer.utils.files import replace_synced, whole_file
from mmfer.utils.optional import require
from mmfer.utils.tables import render_table
from mmfer.version import __version__
from mmfer.weights import checkpoint_file

from .agreement import Batch, compare, make_batches
from .describe import describe, to_json
from .export_model import ExportModel
from .operations import ExportableOperations
from .precision import MAX_DROP, describe_comparison, lower_precision
from .quantise import PRECISIONS

OPSETS = range(17, 21)  # LayerNormalization came with 17; the exporter knows nothing beyond 20
DESCRIPTION = 'mmfer.json'  # name of the description in a program's file


@dataclass(frozen=True)
class ExportReport:
    """The written file, and how much its outputs differ from those of the original model.

    Attributes:
        path: The file.
        description: Its metadata, see :func:`mmfer.inference.export.describe.describe`.
        outputs: Names of its outputs in their order.
        runtime: The runtime that ran it for the comparison.
        checks: See :func:`mmfer.inference.export.agreement.compare`.
    """

    path: Path
    description: Mapping[str, Any]
    outputs: tuple[str, ...]
    runtime: str
    checks: Sequence[Mapping[str, Any]]

    def __str__(self) -> str:
        taken = self.description['input']
        names = self.outputs
        rows = [(row['inputs'], row['batch'], *(f'{row["differences"][n]:.1e}' for n in names)) for row in self.checks]
        table = render_table(
            ('inputs', 'batch', *names), rows, title=f'largest difference of {self.runtime} to PyTorch'
        )
        calibration = 'calibrated' if self.description['calibration'] else 'not calibrated'
        abstention = self.description['abstention']
        sets = self.description['sets']
        held = f'sets for {100 * sets["coverage"]:g} % ({sets["method"]})' if sets else 'no sets'
        threshold = f'abstains above {abstention["threshold"]:.4f} nats' if abstention else 'no threshold to abstain'
        height, width = taken['size']
        compared = self.description.get('comparison')
        comparison = [describe_comparison(self.description['precision'], compared)] if compared else []
        return '\n'.join(
            (
                table,
                f'takes float32 {taken["channel_order"]} images (B, 3, {height}, {width}), less {taken["mean"]}, '
                f'divided by {taken["std"]}',
                f'gives {", ".join(self.outputs)}',
                f'classes: {", ".join(self.description["classes"])}; {calibration}; {threshold}; {held}',
                *comparison,
                f'wrote {self.path} ({self.path.stat().st_size / 1e6:.1f} MB)',
            )
        )


def export_onnx(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path,
    classes: Sequence[str] | None = None,
    images: str | Path | None = None,
    opset: int = OPSETS[0],
    fast: bool = True,
    cfg_options: Mapping | None = None,
    card: Mapping[str, Any] | None = None,
    precision: str = PRECISIONS[0],
    data: str | Path | Config | None = None,
    max_drop: float | None = None,
) -> ExportReport:
    """Write an ONNX file that :class:`OnnxClassifier` and any other runtime can use.

    The model takes batches of any size. The file is kept only if onnxruntime agrees with PyTorch to 1e-4 in all
    outputs, on random numbers and on faces, for several batch sizes. A file in lower precision is made from this
    float32 file and compared with it on validation images, see
    :func:`mmfer.inference.export.precision.lower_precision`. Its inputs and outputs stay in float32.

    Args:
        config: Config file or object of the model.
        checkpoint: A checkpoint that mmfer trained or converted, calibrated or not, or the name of a shipped model.
        out: The file, ``.onnx``. An existing file is replaced when the new one has passed the comparison.
        classes: Names of the classes in label order, if the checkpoint does not have them.
        images: Folder of cropped faces, on which the outputs are compared as well.
        opset: Version of ONNX's operators, 17 to 20.
        fast: Write PReLU in operations that onnxruntime computes faster on a CPU; the results are the same.
        cfg_options: Dotted names to values, set in the config.
        card: Model card to put into the file, as values of JSON: licence, training data, accuracy, limits.
        precision: 'float32', 'float16', or 'int8', by static quantisation.
        data: Config with training images, by which the ranges of int8 are set, and validation images, on which
            float16 and int8 are compared with float32; by default ``config``.
        max_drop: Percentage points by which the accuracy of float16 and int8 may fall, by default 0.3.

    Raises:
        ImportError: If onnx is not installed.
        FileNotFoundError: If config, checkpoint, folder or data do not exist.
        ValueError: If they do not fit, the model cannot be exported, the file does not agree, or its accuracy falls too
            far. Nothing is written.
    """
    out = _check_out(Path(out), '.onnx')
    _check_precision(precision)
    if precision == 'float32' and not (data is None and max_drop is None):
        raise ValueError('data and max_drop are of float16 and int8, which are compared with float32 (--precision)')
    max_drop = MAX_DROP if max_drop is None else max_drop
    if not 0 <= max_drop < 100:
        raise ValueError(f'max_drop={max_drop}: percentage points from 0 on, below 100')
    require('onnx', 'mmfer[deploy]', 'exporting writes ONNX files by the package onnx')
    if opset not in OPSETS:
        raise ValueError(f'opset={opset}: {OPSETS[0]} to {OPSETS[-1]}')
    config = load_config(config, cfg_options)
    model, description, batches = _prepare(config, checkpoint, classes, images)
    exported = ExportModel(model, tuple(description['input']['size']), fast)
    description.update(outputs=list(exported.output_names))
    if card is not None:
        description['card'] = dict(card)

    def run(batch: Batch) -> dict[str, np.ndarray]:
        return classifier.run(batch.images.numpy() if batch.pixels is None else classifier.normalise(batch.pixels))

    with whole_file(out) as part:
        write_onnx(exported, _example(description), part, opset)
        _add_description(part, description)
        threads = torch.get_num_threads()
        classifier = OnnxClassifier(part, threads)
        checks = compare(model, run, batches, out, 'onnxruntime')
        if precision != 'float32':
            comparison = lower_precision(part, precision, config, data, max_drop, threads)
            description.update(precision=precision, comparison=comparison)
            _add_description(part, description)
    return ExportReport(out, description, exported.output_names, 'onnxruntime', checks)


def export_program(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path,
    classes: Sequence[str] | None = None,
    images: str | Path | None = None,
    cfg_options: Mapping | None = None,
) -> ExportReport:
    """Write a program of ``torch.export``, which PyTorch runs without mmfer.

    It takes normalised images (B, 3, H, W) in batches of any size and returns a tuple of ``outputs``. The file has the
    metadata as ``mmfer.json``. Arguments and errors are those of :func:`export_onnx`; ``out`` ends in ``.pt2``.
    """
    out = _check_out(Path(out), '.pt2')
    model, description, batches = _prepare(load_config(config, cfg_options), checkpoint, classes, images)
    exported = ExportModel(model, tuple(description['input']['size']))
    description['outputs'] = list(exported.output_names)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter('ignore')
            size = {0: torch.export.Dim('batch')}
            program = torch.export.export(exported, (_example(description),), dynamic_shapes=(size,))
    except Exception as error:
        raise ValueError(f'torch.export cannot follow the model: {first_line(error)}') from error
    part = out.with_name(f'.{out.stem}.{os.getpid()}.part.pt2')  # its loader looks at the ending
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # PyTorch's loader warns of its own buffers
            torch.export.save(program, part, extra_files={DESCRIPTION: to_json(description)})
            loaded = torch.export.load(part).module()

        def run(batch: Batch) -> dict[str, np.ndarray]:
            with torch.no_grad():
                return {name: value.numpy() for name, value in zip(exported.output_names, loaded(batch.images))}

        checks = compare(model, run, batches, out, 'the program')
        replace_synced(part, out)
    finally:
        part.unlink(missing_ok=True)
    return ExportReport(out, description, exported.output_names, 'the program', checks)


def export_weights(
    checkpoint: str | Path, out: str | Path, classes: Sequence[str] = (), precision: str = 'float32'
) -> Path:
    """Write the weights of a checkpoint as safetensors, for fine-tuning and for ``init_model``.

    The metadata of the file have the classes and the thresholds of abstention and sets. The state of the optimizer is
    not written.

    Args:
        checkpoint: A checkpoint that mmfer trained, calibrated or not, or the name of a shipped model.
        out: The file, ``.safetensors``; one that is there is replaced.
        classes: Names of the classes in label order, instead of the checkpoint's.
        precision: As in :func:`export_onnx`. ``'float16'`` rounds kernels and matrices, which halves the size; with
            the others the weights stay as they are.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint or ``out`` is of another kind, or a weight is too large for ``precision``.
    """
    out = _check_out(Path(out), '.safetensors')
    _check_precision(precision)
    content = load_checkpoint(checkpoint_file(checkpoint))
    meta = dict(dataset_meta=classes_text(classes or checkpoint_classes(content)), mmfer=__version__)
    for kind in ('abstention', 'sets'):
        record = (content.get('meta') or {}).get(kind)
        if record:
            kept = {name: value for name, value in record.items() if isinstance(value, (bool, int, float, str, list))}
            meta[kind] = json.dumps(kept)
    weights = {name: value.contiguous() for name, value in content['state_dict'].items()}
    if precision == 'float16':
        for name, value in weights.items():
            if value.ndim > 1 and value.is_floating_point():
                weights[name] = value.half()
                if weights[name].isinf().any():
                    raise ValueError(f'{checkpoint}: {name} has values too large for float16. Export it as float32.')
    with whole_file(out) as part:
        part.write_bytes(save(weights, meta))
    return out


def _check_out(out: Path, ending: str) -> Path:
    """``out``, if a file can be written there: found out before anything slow is done."""
    if out.suffix != ending:
        raise ValueError(f'{out}: name a file that ends in {ending}')
    folder = out.absolute().parent
    if not folder.is_dir():
        raise ValueError(f'{out}: there is no folder {folder}')
    if out.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f'{out} is a folder' if out.is_dir() else f'{out}: the folder {folder} may not be written to')
    return out


def _check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f'precision={precision!r}: {", ".join(PRECISIONS)}')


def _prepare(
    config: Config, checkpoint: str | Path, classes: Sequence[str] | None, images: str | Path | None
) -> tuple[nn.Module, dict[str, Any], list[Batch]]:
    """The model, its description and what it is tried on."""
    checkpoint = checkpoint_file(checkpoint)
    model = init_model(config, checkpoint)
    if not hasattr(model.head, 'predictions'):
        raise ValueError(f'{type(model.head).__name__} cannot be exported: a head of mmfer (BaseHead) is needed')
    description = describe(config, checkpoint, model, classes)
    return model, description, make_batches(model, description, images)


def _example(description: Mapping[str, Any]) -> Tensor:
    """Images that exporters follow through the network: two, since one would stand for batches of one alone."""
    return torch.randn(2, 3, *description['input']['size'], generator=torch.Generator().manual_seed(1))


def write_onnx(exported: ExportModel, example: Tensor, path: Path, opset: int = OPSETS[0]) -> None:
    """Write the network alone, without comparing it; images like ``example`` (2, 3, H, W) are followed through it.

    Raises:
        ValueError: If the exporter cannot follow.
    """
    # The exporter by tracing is there in all versions of PyTorch that mmfer runs on, and needs a tenth of the time of
    # the one that begins with torch.export. What tracing could get wrong, the comparison finds.
    chosen = dict(dynamo=False) if 'dynamo' in inspect.signature(torch.onnx.export).parameters else {}
    axes = {name: {0: BATCH} for name in ('images', *exported.output_names)}
    try:
        with warnings.catch_warnings(), torch.no_grad(), ExportableOperations():
            warnings.simplefilter('ignore')  # of what tracing fixes, and that the exporter is the older one
            torch.onnx.export(
                exported,
                (example,),
                str(path),
                input_names=['images'],
                output_names=list(exported.output_names),
                dynamic_axes=axes,
                opset_version=opset,
                **chosen,
            )
    except OSError:
        raise
    except Exception as error:  # SymbolicValueError, UnsupportedOperatorError, RuntimeError and more
        raise ValueError(f'the model cannot be written as ONNX: {first_line(error)}') from error


def _add_description(path: Path, description: Mapping[str, Any]) -> None:
    import onnx

    file = onnx.load(str(path))
    file.producer_name, file.producer_version = 'mmfer', description['mmfer']
    file.doc_string = f'{description["task"]}: {description["head"]} of {description["config"]}'
    onnx.helper.set_model_props(file, {KEY: to_json(description)})
    onnx.checker.check_model(file)
    onnx.save(file, str(path))
