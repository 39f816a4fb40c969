"""The convolution of a layer, twice: as the formula says it, and fast.

Images are (N, H, W, C), kernels (k, k, C, F): a window of k x k pixels, C channels in, F channels out. As in all of deep learning
the kernel is not turned round, so that mathematics calls the operation a correlation.
"""
import numpy as np

from dlbook.basics.module import Module, floating


def output_side(side, size, stride=1, padding=0, dilation=1):
    """Rows (or columns) of the result.

    Args:
        side: rows of the image.
        size: k, rows of the kernel.
        stride: pixels from one window to the next.
        padding: zeros added on each side.
        dilation: pixels from one row of the kernel to the next; 1 leaves no holes.

    Returns:
        int, at least 1.

    Raises:
        ValueError: the window does not fit into the padded image, or a number that makes no sense.
    """
    check_window(size, stride, padding, dilation)
    reach = dilation * (size - 1) + 1  # rows that a window covers
    if side + 2 * padding < reach:
        raise ValueError(f"a window of {reach} pixels does not fit into {side} pixels with {padding} added on each side; "
                         f"a padding of {-(-(reach - side) // 2)} would do.")
    # H' = floor((H + 2 padding - reach) / stride) + 1
    return (side + 2 * padding - reach) // stride + 1


def check_window(size, stride=1, padding=0, dilation=1):
    """Refuse numbers that make no window.

    Args:
        size, stride, padding, dilation: as `output_side` takes them.

    Raises:
        ValueError: one that is not a whole number, or too small.
    """
    for name, value, least in (("size", size, 1), ("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} is a whole number from {least} on; got {value!r}.")


def by_formula(x, kernel, bias, stride=1, padding=0, dilation=1):
    """Convolution as the formula says it: one window after the other. Slow, and easy to trust.

    Args:
        x: (N, H, W, C) images.
        kernel: (k, k, C, F).
        bias: (F,).
        stride, padding, dilation: as `output_side` takes them.

    Returns:
        (N, H', W', F), floating point.

    Raises:
        ValueError: shapes that do not go together, or a window that does not fit.
    """
    x, height, width = _checked(x, kernel, stride, padding, dilation)
    y = np.empty((len(x), height, width, kernel.shape[-1]), x.dtype)
    padded = pad(x, padding)
    for place in np.ndindex(height, width):
        window = padded[_window(place, len(kernel), stride, dilation)]  # N, k, k, C
        # y[i, j, f] = b[f] + sum over s, t, c of padded[stride i + dilation s, stride j + dilation t, c] k[s, t, c, f]
        y[:, *place] = bias + np.einsum("nstc,stcf->nf", window, kernel)
    return y


def by_formula_backward(x, kernel, dy, stride=1, padding=0, dilation=1):
    """The derivatives of `by_formula`, one window after the other.

    Args:
        x, kernel, stride, padding, dilation: as there.
        dy: (N, H', W', F), derivative of the loss with respect to each number of the result.

    Returns:
        (dx, dkernel, dbias): derivatives with respect to x, kernel and bias, each of its shape.
    """
    x, height, width = _checked(x, kernel, stride, padding, dilation)
    padded, dkernel = pad(x, padding), np.zeros(kernel.shape, x.dtype)
    dpadded = np.zeros_like(padded)
    for place in np.ndindex(height, width):
        window, push = _window(place, len(kernel), stride, dilation), dy[:, *place]  # push: N, F
        # each weight was multiplied with a pixel in every window: its pushes add up
        dkernel += np.einsum("nstc,nf->stcf", padded[window], push)
        # each pixel lies in many windows: their pushes add up too
        dpadded[window] += np.einsum("nf,stcf->nstc", push, kernel)
    return unpad(dpadded, padding), dkernel, dy.sum((0, 1, 2))


def _window(place, size, stride, dilation):
    """Index of the window at one place of the result: all images, its rows and columns, all channels."""
    rows, columns = (slice(i * stride, i * stride + dilation * (size - 1) + 1, dilation) for i in place)
    return slice(None), rows, columns


def shifted(padded, size, height, width, stride=1, dilation=1):
    """What each place of the kernel sees, in all windows at once.

    Nothing is copied: a view has the memory of the image, and strides of its own.

    Args:
        padded: (N, H, W, C) images.
        size: k, rows and columns of the kernel.
        height, width: H' and W' of the result.
        stride, dilation: as `output_side` takes them.

    Yields:
        ((s, t), view): a place of the kernel, and the (N, H', W', C) pixels that lie under it.
    """
    for s, t in np.ndindex(size, size):
        top, left = s * dilation, t * dilation
        yield (s, t), padded[:, top:top + stride * (height - 1) + 1:stride, left:left + stride * (width - 1) + 1:stride]


def pad(x, padding):
    """Images with zeros on each side.

    Args:
        x: (N, H, W, C).
        padding: whole number of pixels.

    Returns:
        (N, H + 2 padding, W + 2 padding, C); x itself where padding is 0.
    """
    return np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0))) if padding else x


def unpad(x, padding):
    """Images without `padding` pixels on each side: what `pad` added is taken away.

    Args:
        x: (N, H, W, C).
        padding: whole number of pixels.

    Returns:
        (N, H - 2 padding, W - 2 padding, C), a view.
    """
    return x[:, padding:x.shape[1] - padding, padding:x.shape[2] - padding]


class Convolution(Module):
    """A convolution layer: shifted images, each times one matrix of the kernel, added up.

    Args:
        channels: C, of the images that come in.
        filters: F, channels that go out.
        size: k; the kernel covers k x k pixels.
        stride, padding, dilation: as `output_side` takes them.
        seed: of the starting weights, or a generator of NumPy. Biases start at 0.
        scale: standard deviation of the starting weights; None is sqrt(2 / (k k C)).

    Raises:
        ValueError: a number that makes no sense.

    Source: the scale is that of He et al. (2015), equation 10.
    """

    def __init__(self, channels, filters, size=3, stride=1, padding=0, dilation=1, seed=0, scale=None):
        if channels < 1 or filters < 1:
            raise ValueError(f"a convolution has 1 or more channels and filters; got {channels} and {filters}.")
        check_window(size, stride, padding, dilation)
        self.size, self.stride, self.padding, self.dilation = size, stride, padding, dilation
        scale = np.sqrt(2 / (size * size * channels)) if scale is None else scale
        super().__init__(weight=np.random.default_rng(seed).normal(0, scale, (size, size, channels, filters)), bias=np.zeros(filters))

    def forward(self, x, training=False):
        """Images (N, H, W, C) -> maps (N, H', W', F)."""
        kernel, bias = self.as_in(x)
        x, self.height, self.width = _checked(x, kernel, self.stride, self.padding, self.dilation)
        self.padded = pad(x, self.padding)
        y = np.empty((len(x), self.height, self.width, kernel.shape[-1]), x.dtype)
        y[...] = bias
        part, times = np.empty_like(y), np.multiply if kernel.shape[2] == 1 else np.matmul  # with one channel there is nothing to add up
        for (s, t), view in self._shifted(self.padded):
            # y[i, j] = b + sum over s, t of padded[stride i + dilation s, stride j + dilation t] k[s, t], at all places i, j at once
            y += times(view, kernel[s, t], out=part)  # N, H', W', F
        return y

    def backward(self, dy):
        """Gradient by the maps (N, H', W', F) -> that by the images (N, H, W, C)."""
        kernel, _ = self.as_in(dy)
        rows, dkernel, dpadded = dy.reshape(-1, dy.shape[-1]), np.empty_like(kernel), np.zeros_like(self.padded)  # rows: N H' W', F
        for (s, t), view in self._shifted(self.padded):
            # dL/dk[s, t] = sum over examples and places of x[shifted by s, t]^T dL/dy
            dkernel[s, t] = view.reshape(len(rows), -1).T @ rows  # C, F
        for (s, t), view in self._shifted(dpadded):
            # dL/dx[shifted by s, t] += dL/dy k[s, t]^T
            view += (rows @ kernel[s, t].T).reshape(view.shape)  # N, H', W', C
        # dL/db = sum over examples and places of dL/dy
        self.gradients["bias"] = rows.sum(axis=0)
        self.gradients["weight"] = dkernel
        return unpad(dpadded, self.padding)

    def _shifted(self, padded):
        return shifted(padded, self.size, self.height, self.width, self.stride, self.dilation)


def _checked(x, kernel, stride, padding, dilation):
    """(x as floating-point numbers, H', W')."""
    x = floating(x)
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[3] != kernel.shape[2] or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"images (N, H, W, C) go with a square kernel (k, k, C, F) of the same C; got {x.shape} and {kernel.shape}.")
    return x, *(output_side(side, len(kernel), stride, padding, dilation) for side in x.shape[1:3])
