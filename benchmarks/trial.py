"""One setting of a config's model, ready to be timed."""

from __future__ import annotations

import copy
import gc
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
from machine import PeakMemory, fp32_arithmetic, now
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DefaultScope
from part_times import PartTimes
from torch import Tensor, nn

from mmfer.engine.activation_checkpointing import checkpoint_activations
from mmfer.engine.compiling import compile_features
from mmfer.engine.hooks.sam_hook import SAMHook
from mmfer.engine.train import set_amp
from mmfer.models.layers import pretrained_file
from mmfer.registry import MODELS
from mmfer.utils.optional import require

AMP = dict(bf16='bfloat16', fp16='float16')  # names of precisions here to those of torch
ONNX = ('fp32+onnx', 'fp16+onnx', 'int8+onnx')
EXTRAS = ('channels_last', 'checkpoint_activations', 'compile', 'cudagraphs', 'onnx')
BLOCK_SECONDS = 1.0  # what a round of one setting takes about where the number of steps is not given


class Setting(NamedTuple):
    """How a model is run: its name, a precision, what else is switched on, and whether it is compiled."""

    name: str
    precision: str
    extras: frozenset
    compiled: bool

    @classmethod
    def parse(cls, text: str, device: torch.device, mode: str = 'infer') -> Setting:
        """A setting of words joined by ``+``: ``fp32``, ``tf32``, ``bf16``, ``fp16`` or ``int8``, then ``EXTRAS``.

        Raises:
            ValueError: If a word is unknown, or the device or the mode cannot do it.
        """
        precision, *words = text.split('+')
        extras, gpu = frozenset(words), device.type == 'cuda'
        compiled = bool(extras & {'compile', 'cudagraphs'})
        known = precision in ('fp32', 'tf32', 'int8', *AMP) and extras <= set(EXTRAS)
        reasons = {
            f'one of fp32, tf32, bf16, fp16, int8, then what is wanted of {", ".join(EXTRAS)}, joined by +': not known,
            'tf32 and cudagraphs are for GPUs': not gpu and (precision == 'tf32' or 'cudagraphs' in extras),
            'onnx is for inference': mode == 'train' and 'onnx' in extras,
            'checkpoint_activations is for training': mode == 'infer' and 'checkpoint_activations' in extras,
            'checkpoint_activations and compile do not go together': 'checkpoint_activations' in extras and compiled,
            f'onnxruntime is measured on the CPU, as {", ".join(ONNX)}': 'onnx' in extras and (gpu or text not in ONNX),
            'int8 is for onnxruntime, as int8+onnx': precision == 'int8' and 'onnx' not in extras,
        }
        for reason, wrong in reasons.items():
            if wrong:
                raise ValueError(f'setting {text!r}: {reason}')
        return cls(text, precision, extras, compiled)


class Trial:
    """A model in one setting, and the times that its steps took.

    ``data`` is a batch, as a data loader gives it, ``backend`` that of ``torch.compile``, ``seed`` that of the weights.
    """

    def __init__(
        self, config: Config, mode: str, setting: Setting, device: torch.device, data: dict, backend: str, seed: int
    ) -> None:
        self.config, self.mode, self.setting, self.device, self.data = config, mode, setting, device, data
        self.seed = seed
        cudagraphs = dict(mode='reduce-overhead') if 'cudagraphs' in setting.extras else {}
        self.compilation = dict(backend=backend, dynamic=False, **cudagraphs) if setting.compiled else None
        self.error: str | None = None  # why it failed
        self.ms: list[float] = []  # a step, one a round
        self.memory_mb: float | None = None
        self.compiled: dict | None = None
        self.first_step_seconds: float | None = None
        self.parts: list[dict] | None = None
        self.outcome: Tensor | None = None  # of the last step: the loss or the logits
        self.interval = 1  # steps after which they repeat: SAM may look ahead on some of them alone
        self._step: Callable | None = None
        self._times: PartTimes | None = None

    def start(self, warmup: int) -> None:
        """Build the model, make its first steps, and measure its memory."""
        with self._guarded():
            memory = PeakMemory(self.device)
            seen = compile_counts()
            torch.manual_seed(self.seed)
            self._step = self._build()
            self.first_step_seconds = self._seconds(1)
            for _ in range(warmup):
                self._seconds(self.interval)
            memory.restart()
            self._seconds(self.interval)
            self.memory_mb = memory.mb()
            if self.setting.compiled:
                self.compiled = dict(_difference(compile_counts(), seen), graphs_later=0)

    def measure(self, steps: int | None) -> None:
        """Time one round; those that failed stay as they are."""
        if self.error is not None:
            return
        with self._guarded():
            seen = compile_counts()
            if steps is None or self.device.type == 'cuda':  # caches and clocks are those of another setting
                spent = self._seconds(self.interval) / self.interval
            steps = steps or max(1, min(200, round(BLOCK_SECONDS / spent)))
            steps = -(-steps // self.interval) * self.interval  # SAM's dear steps and the cheap ones between, evenly
            self.ms.append(self._seconds(steps) * 1e3 / steps)
            if self.compiled:
                self.compiled['graphs_later'] += _difference(compile_counts(), seen)['graphs']

    def measure_parts(self, steps: int) -> None:
        """Time the parts of the model, after all rounds; not where compilers or other runtimes hide them."""
        if self.error is None and self._times is not None:
            with self._guarded():
                self._seconds(self.interval)
                self.parts = self._times.measure(lambda: self._seconds(self.interval), steps)

    def close(self) -> None:
        """Free the model."""
        self._step = self._times = None
        gc.collect()
        if self.device.type == 'cuda':
            torch.cuda.empty_cache()

    def _build(self) -> Callable:
        """The step to be timed; it leaves its outcome."""
        extras = self.setting.extras
        model, _ = build_model(self.config)
        if self.config.get('channels_last', False) or 'channels_last' in extras:
            model = model.to(memory_format=torch.channels_last)
        model = model.to(self.device)
        if 'checkpoint_activations' in extras:
            checkpoint_activations(model, self.config.checkpoint_activations)
        if 'onnx' in extras:
            return onnx_session(model.eval(), self.data, self.setting.precision)
        if not self.setting.compiled:
            self._times = PartTimes(model, self.device)
        return self._training(model) if self.mode == 'train' else self._inference(model.eval())

    def _training(self, model: nn.Module) -> Callable:
        model.train()
        compile_features(model, self.compilation)
        wrapper = build_wrapper(self.config, model, self.setting.precision)
        self.interval = getattr(wrapper, 'interval', 1)
        runner, hook = SimpleNamespace(model=model, optim_wrapper=wrapper), SAMHook()
        hook.before_train(runner)

        def step() -> Tensor:
            hook.before_train_iter(runner, 0)
            loss = model.train_step(self.data, wrapper)['loss'].detach()
            hook.after_train_iter(runner, 0)
            return loss

        return step

    def _inference(self, model: nn.Module) -> Callable:
        dtype = AMP.get(self.setting.precision)

        def forward(images: Tensor) -> Tensor:
            return model(images, mode='tensor')

        if self.compilation is not None:
            forward = torch.compile(forward, **self.compilation)

        def step() -> Tensor:
            with torch.no_grad():
                images = model.data_preprocessor(self.data, False)['inputs']
                with nullcontext() if dtype is None else torch.autocast(self.device.type, getattr(torch, dtype)):
                    return forward(images)

        return step

    def _seconds(self, steps: int) -> float:
        env = self.config.get('env_cfg') or {}
        with fp32_arithmetic(self.setting.precision == 'tf32', bool(env.get('cudnn_benchmark', False))):
            start = now(self.device)
            for _ in range(steps):
                self.outcome = None  # CUDA graphs write to the same memory again
                self.outcome = self._step()
            return now(self.device) - start

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Errors become ``self.error`` and free the model, so that the other settings go on."""
        try:
            yield
            if self.outcome is not None and not bool(torch.isfinite(self.outcome).all()):
                raise FloatingPointError('the loss or the logits are not finite')
        except Exception as error:
            text = ' '.join(str(error).split())
            full = isinstance(error, torch.cuda.OutOfMemoryError)
            self.error = f'{"out of memory" if full else type(error).__name__}: {text}'[:500]
        if self.error is not None:
            self.ms, self.outcome = [], None
            self.close()


def build_model(config: Config) -> tuple[nn.Module, list[str]]:
    """The model with random weights, and the pretrained files that its config names, which are not read.

    What the config freezes because it is pretrained stays frozen.
    """
    settings = copy.deepcopy(config.model)
    if config.get('data_preprocessor'):
        settings.setdefault('data_preprocessor', config.data_preprocessor)
    with DefaultScope.overwrite_default_scope('mmfer'):
        model = MODELS.build(settings)
    files = []
    for module in model.modules():
        file = pretrained_file(module)
        if file is not None:
            files.append(str(file))
            module.init_cfg = None
    level = logging.root.manager.disable
    logging.disable(logging.INFO)  # MMEngine lists every parameter
    try:
        model.init_weights()
    finally:
        logging.disable(level)
    return model, files


def build_wrapper(config: Config, model: nn.Module, precision: str) -> OptimWrapper:
    """The optimizer wrapper of the config, in a precision.

    Raises:
        ValueError: If the config has none, or one that cannot be in that precision.
    """
    if not config.get('optim_wrapper'):
        raise ValueError(f'{config.filename}: there is no optim_wrapper')
    settings = Config(dict(optim_wrapper=copy.deepcopy(config.optim_wrapper.to_dict())))
    wrapper = settings.optim_wrapper
    if str(wrapper.get('type')).endswith('AmpOptimWrapper'):  # it has no full precision
        wrapper['type'] = 'mmfer.engine.optim_wrappers.AutocastOptimWrapper'
    wrapper.pop('dtype', None)
    if precision in AMP:
        set_amp(settings, AMP[precision])
    if precision != 'fp16':
        settings.optim_wrapper.pop('loss_scale', None)
    with DefaultScope.overwrite_default_scope('mmfer'):
        return build_optim_wrapper(model, settings.optim_wrapper)


def onnx_session(model: nn.Module, data: dict, precision: str = 'fp32') -> Callable[[], Tensor]:
    """Export a model, and give what computes its first output for a batch of uint8 images on the CPU.

    As in :class:`mmfer.inference.onnx.OnnxClassifier`, NumPy normalises: PyTorch's threads, which go on spinning for a
    while, would take the cores from those of onnxruntime, of which there are as many. In int8 the ranges are those
    of the batch itself. The file is gone when this returns.
    """
    require('onnx', 'mmfer[deploy]', 'the model is exported to be timed in onnxruntime')
    import onnxruntime

    from mmfer.inference.export.describe import read_normalisation
    from mmfer.inference.export.export_model import ExportModel
    from mmfer.inference.export.quantise import Quantiser, optimise, to_float16
    from mmfer.inference.export.write import write_onnx
    from mmfer.inference.onnx import BATCH, normalise

    images = model.data_preprocessor(data, False)['inputs']
    taken = read_normalisation(model)
    mean, std = (np.array(taken[name], np.float32).reshape(3, 1, 1) for name in ('mean', 'std'))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
    options.add_free_dimension_override_by_name(BATCH, len(images))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'model.onnx')
        exported = ExportModel(model, tuple(images.shape[2:]), fast=True)
        write_onnx(exported, images[:1].expand(2, -1, -1, -1).contiguous(), path)
        if precision != 'fp32':
            source, path = path.with_name('optimised.onnx'), path.with_name(f'{precision}.onnx')
            optimise(path.with_name('model.onnx'), source)
        if precision == 'fp16':
            to_float16(source, path)
        elif precision == 'int8':
            quantiser = Quantiser(source, images.numpy())
            quantiser.write(path, list(quantiser.parts))
        session = onnxruntime.InferenceSession(str(path), options, ['CPUExecutionProvider'])

    def run() -> Tensor:
        pixels = np.stack([image.numpy() for image in data['inputs']])
        batch = normalise(pixels, mean, std, taken['channel_order'] == 'RGB')
        return torch.from_numpy(session.run(None, {'images': batch})[0])

    return run


def compile_counts() -> dict[str, int]:
    """What torch.compile has counted: graphs, graph breaks, frames that it left alone, in this process so far."""
    from torch._dynamo.utils import counters

    frames = counters['frames']
    return dict(
        graphs=counters['stats']['unique_graphs'],
        graph_breaks=sum(counters['graph_break'].values()),
        fallbacks=frames['total'] - frames['ok'],
    )


def _difference(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {key: now[key] - before[key] for key in now}
