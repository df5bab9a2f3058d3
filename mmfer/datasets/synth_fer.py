"""Synthetic faces with known label distributions: the data set that needs no files."""

import hashlib
import logging
import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union

import cv2
import numpy as np
from mmengine.dataset import force_full_init
from mmengine.logging import print_log

from mmfer.registry import DATASETS
from mmfer.structures.expressions import EXPRESSIONS, class_key
from mmfer.utils.cache import cached_array, source_digest
from mmfer.utils.progress import track

from .arguments import check_choice, check_integer
from .base_fer_dataset import FERDataset
from .synth import Appearance, render_face, sample_appearance
from .synth.annotators import label_distribution, majority, sample_intensities
from .synth.appearance import luminance
from .synth.render import MIN_SIZE
from .votes import VoteSubset

_LABELS, _LOOKS = 0, 1  # independent random streams of a face: what it expresses and is called, what it looks like


@DATASETS.register_module()
class SynthFER(FERDataset):
    """Faces drawn on the fly, each a function of (seed, split, index) alone.

    A face shows a vector of expression intensities: one strong or weak expression, a blend of two, or none. They move
    facial action units (EMFACS), which move the drawing; identity, pose, light, background, blur, noise and occlusion
    vary independently. The true label distribution is ``softmax(intensities / temperature)``; simulated annotators
    vote from it and their majority is the label, ties going to the likelier class. The most likely
    class of the true distribution is right for :attr:`observer_accuracy` of the labels, the Bayes-optimal accuracy.

    Each sample has, besides ``gt_label`` and ``gt_score`` (the true distribution, float32 (K,)): ``intensities``
    (float32 (K,)), ``votes`` (int64 (K,)), ``face_index``, ``img`` (uint8 (size, size, 3) BGR), ``img_shape``,
    ``ori_shape`` and a made-up ``img_path`` such as ``synth/test/000012.png``.

    Args:
        split: 'train', 'val' or 'test', which share no face.
        num_samples: Number of faces; a larger set begins with the faces of a smaller one. Defaults to 6000, 1000 and
            2000 for train, val and test.
        size: Side of the images in pixels; the same faces come out at every size.
        seed: Another seed gives other faces.
        num_classes: 7, or 8 with contempt.
        temperature: Of the true label distribution; the higher, the more the annotators disagree. Defaults to 0.2, at
            which the Bayes-optimal accuracy is about 94 %.
        num_annotators: Votes a face.
        votes_used: So many of a face's votes, drawn at random, make ``votes``, ``gt_label`` and ``gt_score``, see
            ``mmfer.datasets.votes``: the soft label is then their shares, also where these are all votes, and no longer
            the true distribution. By default all, and the true distribution.
        votes_seed: Another seed draws other votes.
        cache: 'memory', or True, renders all faces once, when the set is first used (so before data loading workers
            start), and keeps them: num_samples * size * size * 3 bytes of memory. 'disk' keeps them in a file, in the
            folder of ``mmfer.utils.cache``, which later runs read and all processes share.
        attributes: Tell who is drawn in columns ``skin`` (light, medium, dark), ``glasses`` and ``beard`` (yes, no).
        allow_empty_classes: Warn of classes without samples, as a small set need not show all, instead of raising an
            error.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Raises:
        ValueError: An argument is out of range.

    Examples:
        >>> dataset = SynthFER(split='test', num_samples=20, size=32)
        >>> dataset[3]['img'].shape, dataset.metainfo['classes'][1]
        ((32, 32, 3), 'happiness')
    """

    METAINFO = dict(classes=EXPRESSIONS[:7])
    SPLITS = ('train', 'val', 'test')
    DEFAULT_SAMPLES = dict(train=6000, val=1000, test=2000)

    def __init__(
        self,
        split: str = 'train',
        num_samples: Optional[int] = None,
        size: int = 64,
        seed: int = 0,
        num_classes: int = 7,
        temperature: float = 0.2,
        num_annotators: int = 10,
        votes_used: Optional[int] = None,
        votes_seed: int = 0,
        cache: Union[bool, str] = False,
        attributes: bool = False,
        allow_empty_classes: bool = True,
        **options,
    ):
        check_choice(self, 'num_classes', num_classes, (7, 8))
        if not (isinstance(temperature, numbers.Real) and 0 < temperature < float('inf')):
            raise ValueError(f'SynthFER: temperature={temperature!r} must be a number above 0')
        self.METAINFO = dict(classes=EXPRESSIONS[:num_classes])
        num_samples = self.DEFAULT_SAMPLES.get(split, 1) if num_samples is None else num_samples
        self.num_samples = check_integer(self, 'num_samples', num_samples, 1)
        self.size, self.seed = check_integer(self, 'size', size, MIN_SIZE), check_integer(self, 'seed', seed, 0)
        self.num_annotators = check_integer(self, 'num_annotators', num_annotators, 1)
        self.vote_subset = VoteSubset(self, votes_used, votes_seed)
        self.temperature = float(temperature)
        self._likeliest = np.zeros(0, dtype=np.int64)  # class of the true distribution of each face
        self._observer_accuracy: Optional[float] = None  # of the list as it is
        self.cache = check_choice(self, 'cache', cache, (False, True, 'memory', 'disk'))
        self.attributes = attributes
        self._images: Optional[np.ndarray] = None
        self._rows: dict = {}
        super().__init__(split=split, allow_empty_classes=allow_empty_classes, **options)

    @property
    def protocol(self) -> str:
        """Data set and split, what differs from the defaults in its faces and labels, and how many votes are used."""
        own = dict(seed=self.seed, temperature=self.temperature, num_annotators=self.num_annotators)
        usual = dict(seed=0, temperature=0.2, num_annotators=10)
        changed = ''.join(f', {name} {value:g}' for name, value in own.items() if value != usual[name])
        return super().protocol + changed + self.vote_subset.protocol

    @property
    @force_full_init
    def observer_accuracy(self) -> float:
        """Share of the labels, in [0, 1], that equal the most likely class of the true distribution."""
        if self._observer_accuracy is None:
            likeliest = self._likeliest[self.column('face_index')].tolist()
            labels = self.get_gt_labels().tolist()
            names = list(map(class_key, self.classes))
            right = [self.METAINFO['classes'][i] == names[label] for i, label in zip(likeliest, labels)]
            self._observer_accuracy = float(np.mean(right))
        return self._observer_accuracy

    @property
    def metainfo(self) -> dict:
        """Meta information, with ``observer_accuracy`` once the labels are drawn."""
        meta = super().metainfo
        if self._fully_initialized:
            meta['observer_accuracy'] = self.observer_accuracy
        return meta

    def full_init(self) -> None:
        """Draw the labels and, with ``cache``, the faces."""
        if self._fully_initialized:
            return
        super().full_init()
        if self.cache:
            self._fill_cache()

    def load_data_list(self) -> list:
        """Draw intensities, votes and labels of all faces; nothing is rendered."""
        data_list = []
        self._likeliest = np.zeros(self.num_samples, dtype=np.int64)
        for index in range(self.num_samples):
            rng = self._generator(index, _LABELS)
            intensities = sample_intensities(rng, self.num_classes)
            distribution = label_distribution(intensities, self.temperature)
            votes = rng.multinomial(self.num_annotators, distribution)
            votes = self.vote_subset(votes, f'{self.seed} {self.split} {index}')
            label = majority(votes, distribution)
            self._likeliest[index] = distribution.argmax()
            score = distribution if self.vote_subset.count is None else votes / votes.sum()
            score = score.astype(np.float32)
            data_list.append(
                dict(face_index=index, gt_label=label, gt_score=score, intensities=intensities, votes=votes)
            )
            if self.attributes:
                data_list[-1].update(coarse_attributes(self.person(index)))
        return data_list

    def get_subset_(self, indices: Union[int, Sequence]) -> None:
        """Keep only some samples."""
        super().get_subset_(indices)
        self._observer_accuracy = None

    def set_entries(self, entries: Sequence, classes: Optional[Sequence] = None) -> None:
        """Replace the whole list (see ``FERDataset.set_entries``)."""
        super().set_entries(entries, classes)
        self._observer_accuracy = None

    def get_data_info(self, idx: int) -> dict:
        """The sample with its rendered ``img``."""
        info = super().get_data_info(idx)
        index = info['face_index']
        row = self._rows.get(index)
        # A copy of a cached face, as some transforms write into their image.
        info['img'] = self.render(index, info['intensities']) if row is None else self._images[row].copy()
        info['img_path'] = f'synth/{self.split}/{index:06d}.png'
        info['img_shape'] = info['ori_shape'] = (self.size, self.size)
        return info

    def person(self, index: int) -> Appearance:
        """Who face ``index`` of the split is, and how it is seen."""
        return sample_appearance(self._generator(index, _LOOKS))

    def render(self, index: int, intensities: Sequence, size: Optional[int] = None) -> np.ndarray:
        """Draw the person of face ``index`` with any expression.

        Args:
            index: Which face of the split.
            intensities: (K,); that of neutral is not used.
            size: Side in pixels. Defaults to the data set's.

        Returns:
            np.ndarray: (size, size, 3), uint8, BGR.
        """
        # not self.classes, whose order a wrapper may change
        shown = dict(zip(self.METAINFO['classes'], map(float, intensities)))
        return render_face(self.person(index), shown, size or self.size)

    def describe_source(self) -> str:
        """The settings that the faces follow from."""
        return f'the generator (split {self.split!r}, seed {self.seed}, num_samples {self.num_samples})'

    def _generator(self, index: int, stream: int) -> np.random.Generator:
        entropy = (self.seed, self.SPLITS.index(self.split), index, stream)
        return np.random.default_rng(np.random.SeedSequence(entropy))

    def _fill_cache(self) -> None:
        infos = [self.entry(i) for i in range(len(self))]
        faces = {info['face_index']: info['intensities'] for info in infos}

        def draw(images: np.ndarray) -> None:
            for row, index in enumerate(track(faces, len(faces), f'Drawing faces ({self.split})')):
                images[row] = self.render(index, faces[index])

        shape = (len(faces), self.size, self.size, 3)
        if self.cache == 'disk':
            what = (
                self.seed,
                self.split,
                self.METAINFO['classes'],
                tuple(faces),
                source_digest(Path(__file__).parent / 'synth'),
            )
            made_with = (np.__version__, cv2.__version__)
            key = hashlib.blake2b(repr((what, made_with)).encode(), digest_size=12).hexdigest()
            self._images, problem = cached_array(f'synth_fer/{self.split}_{self.size}_{key}.npy', shape, draw)
            if problem:
                print_log(f'The drawn faces are kept in memory: {problem}', logger='current', level=logging.WARNING)
        else:
            self._images = np.empty(shape, dtype=np.uint8)
            draw(self._images)
        self._rows = {index: row for row, index in enumerate(faces)}


def coarse_attributes(person: Appearance) -> dict:
    """Skin (light, medium and dark, a third each), glasses and beard (yes, no) of a person, as text."""
    tone = luminance(person.skin)
    return dict(
        skin='light' if tone > 184 else 'medium' if tone > 127 else 'dark',
        glasses='no' if person.glasses == 'none' else 'yes',
        beard='no' if person.beard == 'none' else 'yes',
    )
