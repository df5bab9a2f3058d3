import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample

from mmfer.models import FERDataPreprocessor, TeacherPreprocessor, VICHead
from mmfer.models.build import init_model

NAMES = ('anger', 'happiness', 'sadness')
CONFIG = """
from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier
from mmfer.models import CompactResNet, FERDataPreprocessor, LinearHead
model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),
    backbone=dict(type=CompactResNet, channels=(4, 4, 8), num_blocks=(1, 1, 1)),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=3, in_channels=8),
)
"""


@pytest.fixture
def teacher(tmp_path):
    """A function: seed, classes -> config and checkpoint of a model with random weights."""
    config = tmp_path / 'teacher.py'
    config.write_text(CONFIG)

    def make(seed=0, classes=NAMES):
        torch.manual_seed(seed)
        with pytest.warns(UserWarning, match='random weights'):
            model = init_model(Config.fromfile(config))
        path = tmp_path / f'{seed}_{"_".join(classes)}.pth'
        meta = dict(dataset_meta=dict(classes=classes))
        torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
        return dict(config=str(config), checkpoint=str(path))

    return make


def batch(soft=True, num=4):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (num, 3, 24, 24), dtype=torch.uint8, generator=generator)
    samples = [DataSample().set_gt_label(i % 3) for i in range(num)]
    for sample in samples if soft else ():
        sample.set_gt_score(torch.tensor([0.2, 0.5, 0.3]))
    return dict(inputs=images, data_samples=samples)


def answers(teacher, images):
    model = init_model(teacher['config'], teacher['checkpoint'])
    with torch.no_grad():
        return model(images, mode='tensor').softmax(-1)


def targets(preprocessor, soft=True):
    out = preprocessor(batch(soft), training=True)
    return out['inputs'], torch.stack([sample.gt_score for sample in out['data_samples']])


def test_the_mean_answer_is_mixed_into_soft_labels(teacher):
    first, second = teacher(0), teacher(1)
    images, mixed = targets(TeacherPreprocessor([first, second], weight=0.7))
    mean = (answers(first, images) + answers(second, images)) / 2
    torch.testing.assert_close(mixed, 0.3 * torch.tensor([[0.2, 0.5, 0.3]]) + 0.7 * mean)
    assert torch.equal(images, FERDataPreprocessor()(batch())['inputs'])


def test_labels_are_mixed_as_one_hot_vectors(teacher):
    images, mixed = targets(TeacherPreprocessor([teacher()], weight=0.25), soft=False)
    hot = torch.eye(3)[[0, 1, 2, 0]]
    torch.testing.assert_close(mixed, 0.75 * hot + 0.25 * answers(teacher(), images))


def test_flip_takes_the_mean_over_the_mirror_image(teacher):
    images, mixed = targets(TeacherPreprocessor([teacher()], weight=1, flip=True))
    mean = (answers(teacher(), images) + answers(teacher(), images.flip(-1))) / 2
    torch.testing.assert_close(mixed, mean)


def test_a_head_that_learns_from_votes_is_refused(teacher):
    data = batch()
    for sample in data['data_samples']:
        sample.set_field(torch.tensor([2, 5, 3]), 'votes', dtype=torch.Tensor)
    data = TeacherPreprocessor([teacher()])(data, training=True)
    with pytest.raises(ValueError, match='4 of 4 samples have none.* no teachers'):
        VICHead(3, 8, likelihood='votes', num_samples=4).loss((torch.zeros(4, 8),), data['data_samples'])


def test_classes_are_matched_by_name(teacher):
    preprocessor = TeacherPreprocessor([teacher()], weight=1)
    images, plain = targets(preprocessor)
    preprocessor.match_classes(('Sad', 'anger', 'happy'))
    torch.testing.assert_close(targets(preprocessor)[1], plain[:, [2, 0, 1]])


def test_a_teacher_without_names_is_warned_of(teacher):
    with pytest.warns(UserWarning, match='A teacher does not name its classes'):
        TeacherPreprocessor([teacher(classes=())]).match_classes(NAMES)


@pytest.mark.parametrize('classes', [('anger', 'happiness', 'fear'), ('anger', 'happiness')])
def test_other_classes_are_refused(teacher, classes):
    with pytest.raises(ValueError, match='A teacher has the classes anger, happiness, sadness'):
        TeacherPreprocessor([teacher()]).match_classes(classes)


def test_another_number_of_classes_is_refused_where_names_are_unknown(teacher):
    data = batch(soft=False)
    for sample in data['data_samples']:
        sample.set_gt_score(torch.full((4,), 0.25))
    with pytest.raises(ValueError, match='teachers have 3 classes, the data 4'):
        TeacherPreprocessor([teacher()])(data, training=True)


@pytest.mark.parametrize('other', [dict(mean=(0, 0, 0)), dict(std=(1, 1, 1)), dict(to_rgb=False)])
def test_teachers_must_see_images_as_they_were_trained(teacher, other):
    name = next(iter(other)).replace('to_', '')
    with pytest.raises(ValueError, match=f'another {name} than the student'):
        TeacherPreprocessor([teacher()], **other).match_classes(NAMES)


def test_teachers_are_neither_trained_nor_saved_nor_needed_at_test(teacher):
    preprocessor = TeacherPreprocessor([teacher()])
    targets(preprocessor)
    assert not list(preprocessor.parameters())
    assert not preprocessor.state_dict()
    absent = TeacherPreprocessor([dict(config='absent.py', checkpoint='absent.pth')])
    assert 'gt_score' not in absent(batch(soft=False))['data_samples'][0]
    with pytest.raises(FileNotFoundError, match='absent'):
        absent.match_classes(NAMES)


def test_a_calibrated_teacher_answers_as_it_was_trained(teacher):
    plain = teacher()
    content = torch.load(plain['checkpoint'], weights_only=True)
    images, expected = targets(TeacherPreprocessor([plain], weight=1))
    content['state_dict'].update(
        {'head.calibration.weight': torch.full((3,), 4.0), 'head.calibration.bias': torch.ones(3)}
    )
    torch.save(content, plain['checkpoint'])
    torch.testing.assert_close(targets(TeacherPreprocessor([plain], weight=1))[1], expected)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(teachers=[]), 'has no teacher'),
        (dict(teachers=[{}], weight=0), 'weight=0'),
        (dict(teachers=[{}], weight=2), 'weight=2'),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TeacherPreprocessor(**arguments)
