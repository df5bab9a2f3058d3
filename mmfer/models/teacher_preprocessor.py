from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS
from mmfer.structures.expressions import class_key

from .build import init_model
from .data_preprocessor import FERDataPreprocessor


@MODELS.register_module()
class TeacherPreprocessor(FERDataPreprocessor):
    """FERDataPreprocessor that, while training, mixes the answers of trained models into the targets (distillation).

    The target of an image becomes :math:`(1 - w) t + w q`: t is its soft label (or its label as a one-hot vector), q
    the mean probability of the teachers, before calibration. Teachers see the same augmented image as the student
    (`Beyer et al. <https://arxiv.org/abs/2106.05237>`_). They are read before the first step, matched with the classes
    of the training data by name, not trained, and not part of checkpoints. Nothing changes at test.

    Args:
        teachers: One or more of ``dict(config=..., checkpoint=...)``, see :func:`mmfer.init_model`. They have the
            classes of the student, in any order, and take its normalised images.
        weight: w, in (0, 1].
        flip: Whether q is the mean over the image and its mirror image, at twice the cost.
        mean: As the following ones, see :class:`FERDataPreprocessor`; teachers see images after ``batch_augments``.
        std: Likewise.
        to_rgb: Likewise.
        num_classes: Likewise.
        batch_augments: Likewise.

    Raises:
        ValueError: If there is no teacher, or ``weight`` is outside (0, 1].
    """

    def __init__(
        self,
        teachers: Sequence[Mapping[str, str]],
        weight: float = 0.5,
        flip: bool = False,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        to_rgb: bool = True,
        num_classes: int | None = None,
        batch_augments: dict | None = None,
    ) -> None:
        if not teachers:
            raise ValueError('TeacherPreprocessor has no teacher. Set teachers=[dict(config=..., checkpoint=...)]')
        if not 0 < weight <= 1:
            raise ValueError(f'weight={weight}: it must be above 0 and at most 1')
        super().__init__(mean, std, to_rgb, num_classes=num_classes, batch_augments=batch_augments)
        self.teachers = teachers
        self.weight = weight
        self.flip = flip
        self._models: list[nn.Module] = []  # in a list, so that they are neither trained nor saved
        self._orders: list[slice | list[int]] = []

    def match_classes(self, classes: Sequence[str]) -> None:
        """Read the teachers, whose answers then come in the order of ``classes``; the runner calls it.

        Args:
            classes: Names of the classes of the training data; empty where they are unknown, and matched by index then.

        Raises:
            ValueError: If a teacher has other classes, or the mean, std or to_rgb of its images differ.
            FileNotFoundError: If a teacher's config or checkpoint does not exist.
        """
        self._models = [self._load(**teacher) for teacher in self.teachers]
        self._orders = [self._order(model.classes, classes) for model in self._models]

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise and, if ``training``, set ``gt_score`` of each sample to its mixed target (K,).

        Args:
            data: ``inputs``, B images (3, H, W); ``data_samples``, B.
            training: Whether to mix.

        Raises:
            ValueError: If the data have more or fewer classes than the teachers.
        """
        data = super().forward(data, training)
        if not training:
            return data
        answers = self.answers(data['inputs'])
        for sample, answer in zip(data['data_samples'], answers):
            soft = 'gt_score' in sample
            target = sample.gt_score if soft else nn.functional.one_hot(sample.gt_label[0], len(answer))
            if len(target) != len(answer):
                raise ValueError(f'The teachers have {len(answer)} classes, the data {len(target)}.')
            sample.set_gt_score(target.float().lerp(answer, self.weight))
            sample.pop('votes', None)  # a head that learns from votes would learn nothing of the teachers
        return data

    @torch.no_grad()
    def answers(self, images: Tensor) -> Tensor:
        """Mean probabilities (B, K) of the teachers for normalised ``images`` (B, 3, H, W)."""
        if not self._models:
            self.match_classes(())
        scores = []
        for model, order in zip(self._models, self._orders):
            model.to(images.device)
            for view in (images, images.flip(-1)) if self.flip else (images,):
                x = model.head.pre_logits(model.extract_feat(view))
                scores.append(model.head.predictive(x)['pred_score'].float()[:, order])
        return torch.stack(scores).mean(0)

    def _order(self, theirs: Sequence[str] | None, ours: Sequence[str]) -> slice | list[int]:
        if not theirs or not ours:
            if ours:
                warnings.warn(
                    'A teacher does not name its classes: taken to be those of the training data', stacklevel=2
                )
            return slice(None)
        keys = list(map(class_key, theirs))
        if sorted(keys) != sorted(map(class_key, ours)):
            raise ValueError(
                f'A teacher has the classes {", ".join(theirs)}, the training data {", ".join(ours)}. Take a teacher '
                'with the same classes, or map those of the data (MapClasses).'
            )
        return [keys.index(class_key(name)) for name in ours]

    def _load(self, config: str, checkpoint: str) -> nn.Module:
        model = init_model(config, checkpoint).requires_grad_(False).to(memory_format=torch.channels_last)  # faster
        theirs = model.data_preprocessor
        for name in ('mean', 'std', 'rgb'):
            if not torch.equal(torch.as_tensor(getattr(theirs, name)), torch.as_tensor(getattr(self, name)).cpu()):
                raise ValueError(
                    f'{checkpoint} was trained on images of another {name} than the student. Set the same in '
                    'model.data_preprocessor.'
                )
        return model
