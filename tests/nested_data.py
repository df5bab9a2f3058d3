"""Configs of data sets that are joined, repeated or both."""

import copy

KINDS = ('ConcatDataset', 'mmengine.ConcatDataset', 'mmengine.RepeatDataset', 'mmengine.ClassBalancedDataset', 'KFold')


def nested(kind, *parts):
    """``parts`` (configs) joined as ``kind`` does, or joined by mmfer's ``ConcatDataset`` inside it."""
    joined = dict(type='ConcatDataset', datasets=[copy.deepcopy(part) for part in parts])
    if kind == 'ConcatDataset':
        return joined
    if kind == 'mmengine.ConcatDataset':
        return dict(joined, type=kind, ignore_keys=['protocol', 'observer_accuracy'])
    options = {
        'mmengine.RepeatDataset': dict(times=2),
        'mmengine.ClassBalancedDataset': dict(oversample_thr=1e-9),  # nothing is repeated
        'KFold': dict(fold=0, num_folds=2),
    }
    return dict(type=kind, dataset=joined, **options[kind])
