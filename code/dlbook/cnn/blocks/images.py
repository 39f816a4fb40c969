"""Images on their way into a network: checked, and scaled as its weights expect them."""
import numpy as np

from dlbook.cnn.blocks.table import sides

MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of ImageNet's training images, R, G, B in [0, 1]
STD = np.array([0.229, 0.224, 0.225], np.float32)
CAFFE_MEAN = np.array([103.939, 116.779, 123.68], np.float32)  # the same, B, G, R in [0, 255]
WHOLE_MEAN = np.array([104, 117, 123], np.float32)  # as SqueezeNet's authors rounded it

SCALINGS = {
    "none": lambda images: images,
    "signed": lambda images: images * 2 - 1,  # [-1, 1]
    "ink": lambda images: images * 1.275 - 0.1,  # ground -0.1, ink 1.175: LeCun et al. (1998), section II B
    "imagenet": lambda images: (images - MEAN) / STD,
    "caffe": lambda images: images[..., ::-1] * 255 - CAFFE_MEAN,
    "caffe-whole": lambda images: images[..., ::-1] * 255 - WHOLE_MEAN,
}


def check_scaling(scaling, channels):
    """Refuse a scaling that is unknown or does not fit the images.

    Args:
        scaling: name, a key of `SCALINGS`.
        channels: of the images.

    Raises:
        ValueError: it is unknown, or for colour images alone.
    """
    if not isinstance(scaling, str) or scaling not in SCALINGS:
        raise ValueError(f"unknown scaling {scaling!r}; choose from: {', '.join(SCALINGS)}.")
    if scaling in ("imagenet", "caffe", "caffe-whole") and channels != 3:
        raise ValueError(f"scaling {scaling!r} is for colour images, 3 channels; this network reads {channels}: take 'none' or 'signed'.")


def as_inputs(images, size, channels, scaling, frame=0):
    """Check images and scale them.

    Args:
        images: (N, H, W) grey or (N, H, W, C), floating point in [0, 1]; colour is R, G, B.
        size: the side H = W that the network reads, in pixels, or (H, W); None takes any.
        channels: the C that the network reads.
        scaling: `none`, `signed` ([-1, 1]), `ink` ([-0.1, 1.175]), `imagenet` (mean and deviation of ImageNet), `caffe`
            (B, G, R in 0..255 minus their mean) or `caffe-whole` (the same, the mean in whole numbers).
        frame: where the size is known, images that lack so many pixels on each side get them, as ground (0).

    Returns:
        (N, H, W, C) array of the same dtype.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or range, or an unknown scaling.
    """
    check_scaling(scaling, channels)
    images = np.asarray(images)
    if images.dtype.kind != "f":
        raise TypeError(f"images are floating point in [0, 1]; got dtype {images.dtype}; divide by 255: images / 255.")
    images = images[..., None] if images.ndim == 3 and channels == 1 else images
    height, width = ("H", "W") if size is None else sides(size)
    frame = frame if size else 0
    if frame and images.ndim == 4 and images.shape[1:3] == (height - 2 * frame, width - 2 * frame):
        images = np.pad(images, ((0, 0), (frame, frame), (frame, frame), (0, 0)))
    if images.ndim != 4 or images.shape[3] != channels or (size and images.shape[1:3] != (height, width)):
        smaller = f" or (N, {height - 2 * frame}, {width - 2 * frame}, {channels})" if frame else ""
        raise ValueError(f"images have shape (N, {height}, {width}, {channels}){smaller} here; got shape {images.shape}.")
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"images hold values in [0, 1]; got values from {images.min():g} to {images.max():g}.")
    return SCALINGS[scaling](images).astype(images.dtype, copy=False)
