"""Models behind the inferencer: PyTorch with a checkpoint, or an exported ONNX file. Both answer with NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

CROPS = ('CropFace', 'AlignFace')
NOT_PREPARING = ('LoadImageFromFile', 'PackInputs')
WEIGHTS = ('.pth', '.pt', '.tar', '.safetensors')
FIELDS = ('pred_score', 'pred_mean', 'pred_std', 'uncertainty', 'aleatoric', 'epistemic')


class Classifier(Protocol):
    """What the inferencer needs of a model.

    Attributes:
        classes: Names of the K expressions, in label order.
        pipeline: Transforms between the loaded face and the batch, as configs have them.
        face_crop: How faces are cut out of photos, as a transform's config; None where nobody said.
        calibration: Weight and bias, (K,) each, of the calibrated probabilities; None where they are not.
        abstention: ``meta['abstention']`` of the checkpoint: ``threshold`` (nats) and how it was found; or None.
        source: What predictions come from, for messages.
    """

    classes: tuple[str, ...]
    pipeline: list
    face_crop: Mapping | None
    calibration: tuple[np.ndarray, np.ndarray] | None
    abstention: Mapping | None
    source: str

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predictions for uint8 BGR images ``(B, 3, H, W)``: those of ``FIELDS`` that the head has."""


class TorchClassifier:
    """A model of a config with its checkpoint; see :class:`Classifier`.

    Args:
        config: Config file or object.
        checkpoint: A checkpoint that mmfer trained or converted; None leaves random weights, with a warning.
        device: Where the model goes; a GPU where there is one, by default.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If they do not fit, nothing names the classes, the head is none of mmfer's, or there is no such
            device.
    """

    def __init__(self, config: Any, checkpoint: str | Path | None = None, device: Any = None) -> None:
        from mmfer.apis.model import init_model
        from mmfer.apis.run import config_classes, load_config

        config = config if hasattr(config, 'merge_from_dict') else load_config(config)
        self.face_crop, self.pipeline = test_steps(config)
        self.model = init_model(config, checkpoint, find_device(device))
        self.source = str(checkpoint or config.filename)
        head = self.model.head
        if not hasattr(head, 'predictions'):
            raise ValueError(f'{type(head).__name__} is no head of mmfer (BaseHead), and does not say how sure it is')
        classes = self.model.classes or config_classes(config)
        if not classes:
            raise ValueError(
                f'neither {checkpoint or "a checkpoint"} nor {config.filename} names the classes: train with mmfer, or '
                'set classes=(...) in the data set of the config'
            )
        if len(classes) != head.num_classes:
            raise ValueError(
                f'{self.source}: {len(classes)} names ({", ".join(classes)}) for {head.num_classes} classes'
            )
        self.classes = tuple(map(str, classes))
        own = head.calibration
        self.calibration = None if own is None else (own.weight.cpu().numpy(), own.bias.cpu().numpy())
        self.abstention = self.model.abstention

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        import torch

        with torch.inference_mode():
            data = dict(inputs=torch.from_numpy(images), data_samples=None)
            inputs = self.model.data_preprocessor(data)['inputs']
            head = self.model.head
            outputs = head.predictions(head.pre_logits(self.model.extract_feat(inputs)))
            return {name: outputs[name].float().cpu().numpy() for name in FIELDS if name in outputs}


def find_device(device: Any = None) -> Any:
    """The torch device of this name; a GPU where there is one, by default.

    Raises:
        ValueError: If there is no such device.
    """
    import torch

    try:
        device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        torch.empty(0, device=device)
    except Exception as error:  # of many kinds: unknown names, missing builds, missing hardware
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f'device={str(device)!r} cannot be used here: {reason}') from None
    return device


def test_steps(config: Any) -> tuple[dict | None, list[dict]]:
    """How the test data of a config are prepared.

    Returns:
        How faces are cut out of photos: ``face_crop`` of the config, or the step of its pipeline that does it, or None.
        The transforms between the face that is cut out and the batch.

    Raises:
        ValueError: If the config has no pipeline for test images, several, or one that cannot be used for a photo.
    """
    from mmfer.registry import TRANSFORMS
    from mmfer.utils.nesting import shared_pipeline

    loader = config.get('test_dataloader') or config.get('val_dataloader') or {}
    steps = shared_pipeline(loader.get('dataset') or {}, f'{config.filename}: test_dataloader')
    if not steps:
        raise ValueError(f'{config.filename} has no test_dataloader with a pipeline: how are images prepared?')
    crop, found = None, []
    for step in steps:
        cls = TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type']
        if cls is None:
            raise ValueError(f'{config.filename}: the transform {step["type"]} of the test data is not registered')
        if cls.__name__ == 'TestTimeAug':
            raise ValueError(
                f"{config.filename}: TestTimeAug makes views of test images, not one. Take it out, and use tta='flip' "
                'for predictions (--tta flip)'
            )
        if cls.__name__ in CROPS:
            if found or crop:
                other = crop or found[-1]
                raise ValueError(
                    f'{config.filename}: {cls.__name__} must come right after the loading of test images, not behind '
                    f'{getattr(other["type"], "__name__", other["type"])}: boxes refer to the whole image'
                )
            crop = step
        elif cls.__name__ not in NOT_PREPARING:
            found.append(dict(step))
    crop = config.get('face_crop') or crop
    return (None if crop is None else dict(crop)), found


test_steps.__test__ = False


def open_classifier(model: Any, checkpoint: str | Path | None = None, device: Any = None) -> Classifier:
    """The model of an ONNX file, of a config with a checkpoint, or of a name of the model index.

    Args:
        model: ``FILE.onnx`` of ``tools/deploy/export_onnx.py``; a config file or object; a name of ``list_models()``;
            or a :class:`Classifier`, which is returned.
        checkpoint: Of a config or name; of a name, None looks for that of its training.
        device: Of a PyTorch model.

    Raises:
        FileNotFoundError: If a file is missing; the message says how to get it.
        ValueError: If they do not fit, or a name is unknown.
    """
    if callable(model) and hasattr(model, 'classes'):
        return model
    if not isinstance(model, (str, Path)):
        return TorchClassifier(model, checkpoint, device)
    suffix = Path(model).suffix.lower()
    if suffix == '.onnx':
        if checkpoint is not None or device not in (None, 'cpu'):
            more = f'checkpoint={checkpoint}' if checkpoint is not None else f'device={device}'
            raise ValueError(f'{model} holds its weights and runs on the CPU: no {more} beside it')
        from mmfer.deploy import OnnxClassifier

        return OnnxClassifier(model)
    if suffix in WEIGHTS:
        raise ValueError(f'{model} is a checkpoint: give its config first, then the checkpoint')
    if suffix != '.py':
        from mmfer.apis.models import find_weights, model_info

        info = model_info(str(model))
        model, checkpoint = info['config'], checkpoint or find_weights(info)
    return TorchClassifier(model, checkpoint, device)
