"""Colours of the expressions as readers see them who lack a kind of cone."""

import itertools

import cv2
import numpy as np
import pytest

from mmfer.structures.expressions import EXPRESSIONS
from mmfer.visualization.contact_sheet import class_colors

# Linear RGB as seen without a kind of cone: Machado et al. 2009, https://doi.org/10.1109/TVCG.2009.113, severity 1.
SEEN = dict(
    normal=np.eye(3),
    protanopia=[[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    deuteranopia=[[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    tritanopia=[[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
)
LEAST = 15  # distance in CIE L*a*b*, of which about 2.3 can just be told apart


def as_seen(bgr, kind):
    """CIE L*a*b* (N, 3) of BGR colours."""
    rgb = np.asarray(bgr, np.float64)[:, ::-1] / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SEEN[kind]).T, 0, 1)
    seen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]


@pytest.mark.parametrize('kind', SEEN)
def test_expressions_differ_for_all_readers(kind):
    lab = as_seen(class_colors(EXPRESSIONS), kind)
    near = {
        (EXPRESSIONS[i], EXPRESSIONS[j]): float(np.linalg.norm(lab[i] - lab[j]))
        for i, j in itertools.combinations(range(len(lab)), 2)
    }
    assert {pair: round(distance, 1) for pair, distance in near.items() if distance < LEAST} == {}
