"""The facts of style transfer with Markov random fields: how large a patch is, which layers are compared, what each loss weighs.

Source: Li and Wand (2016), "Combining Markov random fields and convolutional neural networks for image synthesis", CVPR.
"""
from dlbook.style.gatys import spec as gatys

SIDE = 3  # places; section 3.2 of the paper
OFFSETS = tuple((down, right) for down in range(SIDE) for right in range(SIDE))  # of a patch's places
TINY = 1e-30  # the least length of a patch: one that is 0 everywhere is like none
SCORES = 2**23  # scores that are held at once: one for each pair of patches, of picture and style

# Section 4: relu3_1 and relu4_1 for the style, relu4_2 for the content.
SETTINGS = gatys.Settings(style_layers=("relu3_1", "relu4_1"), style_weight=1.0, variation_weight=3e6)


def count(shape):
    """Number of patches in maps of a shape (H, W, C)."""
    return (shape[0] - SIDE + 1) * (shape[1] - SIDE + 1)


def targets(a, content, styles, settings):
    """Check the pictures for matching patches.

    Args:
        a: the network's architecture.
        content: (H, W, 3) in [0, 1].
        styles: a picture (H, W, 3) in [0, 1], a gatys.Style, or a list of them.
        settings: gatys.Settings.

    Returns:
        list of gatys.Target, one for each style with a share above 0; none when style weighs nothing.

    Raises:
        TypeError, ValueError: as `gatys.spec.targets`; a style with a mask; or a picture with no patch at one of the layers.
    """
    found = gatys.targets(a, content, styles, settings)
    for number, style in enumerate(found, 1):
        if any(mask is not None for mask in style.masks.values()):
            raise ValueError(f"style {number} has a mask, and patches know none: any patch may be like any of the style; leave the mask out.")
        for what, image in (("the content", content), (f"style {number}", style.image)):
            _check_patches(what, gatys.shapes(a, list(settings.style_layers), image.shape[:2]))
    return found


def _check_patches(what, shapes):
    for name, shape in shapes.items():
        if min(shape[:2]) < SIDE:
            raise ValueError(f"{what}: {name} gives {shape[0]} x {shape[1]} places, and a patch has {SIDE} x {SIDE}; "
                             "take a larger picture or an earlier layer.")


def rows(patches):
    """How many patches of the picture are compared at once with so many of the style, so that memory stays bounded."""
    return max(1, SCORES // patches)
