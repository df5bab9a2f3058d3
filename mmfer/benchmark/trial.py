"""One setting of a config's model, ready to be timed."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import nn

from mmfer.deploy.optimize import OptimizedClassifier
from mmfer.engine.activation_checkpointing import checkpoint_activations
from mmfer.engine.compiling import compile_features
from mmfer.engine.hooks.sam_hook import SAMHook

from .machine_peak import fp32_arithmetic, synchronize
from .onnx_session import onnx_session
from .parts import PartTimes
from .peak_memory import PeakMemory
from .setup import AMP, build_model, build_wrapper

EXTRAS = ('channels_last', 'checkpoint_activations', 'compile', 'cudagraphs', 'optimized', 'onnx')
BLOCK_SECONDS = 1.0  # what a round of one setting takes about where the number of steps is not given


class Setting(NamedTuple):
    """How a model is run: its name, a precision, and what else is switched on."""

    name: str
    precision: str
    extras: frozenset

    @classmethod
    def parse(cls, text: str, device: torch.device, mode: str = 'infer') -> Setting:
        """A setting of words joined by ``+``: ``fp32``, ``tf32``, ``bf16`` or ``fp16``, and any of ``EXTRAS``.

        Raises:
            ValueError: If a word is unknown, there is not one precision, or the device cannot do it.
        """
        words = text.split('+')
        precisions = [word for word in words if word in ('fp32', 'tf32', *AMP)]
        extras = frozenset(words) - set(precisions)
        if len(precisions) != 1 or extras - set(EXTRAS):
            raise ValueError(
                f'setting {text!r}: one of fp32, tf32, bf16 and fp16, then what is wanted of {", ".join(EXTRAS)}, '
                'joined by +'
            )
        if device.type != 'cuda' and (precisions[0] == 'tf32' or 'cudagraphs' in extras):
            raise ValueError(f'setting {text!r}: tf32 and cudagraphs are for GPUs of NVIDIA, not for {device.type}')
        if extras & {'optimized', 'onnx'} and mode != 'infer':
            raise ValueError(f'setting {text!r}: optimized and onnx are for inference, not for mode={mode!r}')
        if 'checkpoint_activations' in extras and mode != 'train':
            raise ValueError(f'setting {text!r}: checkpoint_activations is for training, not for mode={mode!r}')
        if 'checkpoint_activations' in extras and extras & {'compile', 'cudagraphs'}:
            raise ValueError(f'setting {text!r}: checkpoint_activations and compile do not go together')
        if 'optimized' in extras and device.type == 'cpu' and (precisions[0] != 'fp32' or 'compile' in extras):
            raise ValueError(f'setting {text!r}: an optimized model on a CPU computes in fp32 and is not compiled')
        if 'onnx' in extras and (device.type != 'cpu' or precisions[0] != 'fp32' or len(extras) > 1):
            raise ValueError(f'setting {text!r}: onnxruntime is measured on the CPU, as fp32+onnx')
        return cls(text, precisions[0], extras)


class Trial:
    """A model in one setting, and the times that its steps took.

    Args:
        config: The config of the model.
        mode: ``'train'`` or ``'infer'``.
        setting: How it is run.
        device: Where.
        data: A batch, as a data loader gives it.
        backend: Of ``torch.compile``.
        seed: Of the weights.

    Attributes:
        error (str | None): Why it failed.
        ms (list[float]): Milliseconds a step, one a round.
        parts (list[dict] | None): What :meth:`PartTimes.measure` says of it.
    """

    def __init__(
        self, config: Config, mode: str, setting: Setting, device: torch.device, data: dict, backend: str, seed: int
    ) -> None:
        self.config, self.mode, self.setting, self.device = config, mode, setting, device
        self.data, self.backend, self.seed = data, backend, seed
        self.ms: list[float] = []
        self.error: str | None = None
        self.first_step_seconds = self.memory_mb = self.compiled = self.outcome = self.parts = None
        self._times: PartTimes | None = None
        self.interval = 1
        self._step: Callable | None = None

    def start(self, warmup: int) -> None:
        """Build the model, make its first steps, and measure its memory."""
        with self._guarded():
            memory = PeakMemory(self.device)
            seen = compile_counts()
            torch.manual_seed(self.seed)
            self._build()
            self.first_step_seconds = self._seconds(1)
            for _ in range(warmup):
                self._seconds(self.interval)
            memory.restart()
            self._seconds(self.interval)
            self.memory_mb = memory.mb()
            if self.setting.extras & {'compile', 'cudagraphs'}:
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

    def _build(self) -> None:
        model, _ = build_model(self.config)
        if self.config.get('channels_last', False) or 'channels_last' in self.setting.extras:
            model = model.to(memory_format=torch.channels_last)
        model = model.to(self.device)
        if 'checkpoint_activations' in self.setting.extras:
            checkpoint_activations(model, self.config.checkpoint_activations)
        if 'optimized' in self.setting.extras:
            model = OptimizedClassifier(model.eval())
        self._step = self._training(model) if self.mode == 'train' else self._inference(model)

    def _compilation(self) -> dict | None:
        """Arguments of torch.compile, or None."""
        if not self.setting.extras & {'compile', 'cudagraphs'}:
            return None
        mode = dict(mode='reduce-overhead') if 'cudagraphs' in self.setting.extras else {}
        return dict(backend=self.backend, dynamic=False, **mode)

    def _training(self, model: nn.Module) -> Callable:
        model.train()
        compile_features(model, self._compilation())
        wrapper = build_wrapper(self.config, model, self.setting.precision)
        self.interval = getattr(wrapper, 'interval', 1)
        runner, hook = SimpleNamespace(model=model, optim_wrapper=wrapper), SAMHook()
        hook.before_train(runner)
        self._watch(model, wrapper)

        def step() -> None:
            hook.before_train_iter(runner, 0)
            self.outcome = model.train_step(self.data, wrapper)['loss'].detach()
            hook.after_train_iter(runner, 0)

        return step

    def _watch(self, model: nn.Module, wrapper: Any = None) -> None:
        if not self.setting.extras & {'compile', 'cudagraphs', 'onnx'}:
            self._times = PartTimes(model, self.device, wrapper)

    def _inference(self, model: nn.Module) -> Callable:
        model.eval()
        self._watch(model)
        if 'onnx' in self.setting.extras:
            session = onnx_session(model, self.data)

            def run() -> None:
                self.outcome = session()

            return run
        dtype = AMP.get(self.setting.precision)
        compilation = self._compilation()

        def forward(images: torch.Tensor) -> torch.Tensor:
            return model(images, mode='tensor')

        if compilation is not None:
            forward = torch.compile(forward, **compilation)

        def step() -> None:
            self.outcome = None  # CUDA graphs write to the same memory again
            with torch.no_grad():
                images = model.data_preprocessor(self.data, False)['inputs']
                with nullcontext() if dtype is None else torch.autocast(self.device.type, getattr(torch, dtype)):
                    self.outcome = forward(images)

        return step

    def _seconds(self, steps: int) -> float:
        env = self.config.get('env_cfg') or {}
        with fp32_arithmetic(self.setting.precision == 'tf32', bool(env.get('cudnn_benchmark', False))):
            synchronize(self.device)
            start = time.perf_counter()
            for _ in range(steps):
                self._step()
            synchronize(self.device)
            return time.perf_counter() - start

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Errors become ``self.error`` and free the model, so that the other settings go on."""
        try:
            yield
            outcome = self.outcome
            if outcome is not None and not bool(torch.isfinite(outcome).all()):
                raise FloatingPointError('the loss or the logits are not finite')
        except Exception as error:
            text = ' '.join(str(error).split())
            full = isinstance(error, torch.cuda.OutOfMemoryError)
            self.error = f'{"out of memory" if full else type(error).__name__}: {text}'[:500]
        if self.error is not None:
            self.ms, self.outcome = [], None
            self.close()


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
