"""Face and hair masks of a parsed portrait, as the published code makes them."""

from __future__ import annotations

import pytest
import torch

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face.parsing import FacePart, masks_of_parts


def test_masks_equal_the_recorded_ones(recorded):
    parts = recorded["parsing.map"]
    assert set(parts.unique().tolist()) == set(range(19)), "the recording should show every class"
    face, hair = masks_of_parts(parts)
    assert torch.equal(face, recorded["parsing.face"].float())
    assert torch.equal(hair, recorded["parsing.hair"].float())


def test_glasses_and_ears_belong_to_the_face_jewellery_and_hat_do_not():
    parts = torch.tensor([[FacePart.GLASSES, FacePart.LEFT_EAR, FacePart.EARRING, FacePart.HAT, FacePart.HAIR]])
    face, hair = masks_of_parts(parts)
    assert face.tolist() == [[1, 1, 0, 0, 0]] and hair.tolist() == [[0, 0, 0, 0, 1]]


@pytest.mark.parametrize("parts", [torch.tensor([[19]]), torch.tensor([[-1]]), torch.tensor([[1.0]])])
def test_what_is_no_map_of_classes_is_refused(parts):
    with pytest.raises(StableIdentityError, match="0 to 18"):
        masks_of_parts(parts)
