"""Softmax with cross-entropy: the usual loss of a classifier."""
import numpy as np

from dlbook.basics.module import floating


def softmax(z):
    """Scores (N, K) -> probabilities (N, K), which add up to 1 in each row."""
    # The largest score is subtracted first: the result is the same, and nothing overflows.
    e = np.exp(z - z.max(axis=1, keepdims=True))
    # p_k = e^z_k / sum_j e^z_j
    return e / e.sum(axis=1, keepdims=True)


class SoftmaxCrossEntropy:
    """The mean over the examples of -log(probability of the right class)."""

    def forward(self, z, labels):
        """Scores (N, K) and labels (N,), whole numbers from 0 to K - 1 -> the loss in nats, a float.

        Raises:
            ValueError: the labels do not fit the scores.
        """
        z, labels = floating(z), np.asarray(labels)
        if z.ndim != 2 or labels.shape != z.shape[:1] or labels.dtype.kind not in "iu":
            raise ValueError(f"scores (N, K) need N whole numbers as labels; got scores {z.shape} and labels {labels.shape} of {labels.dtype}.")
        if labels.min() < 0 or labels.max() >= z.shape[1]:
            raise ValueError(f"labels are from 0 to {z.shape[1] - 1}; got {labels.min()} to {labels.max()}.")
        self.p, self.labels = softmax(z), labels
        shifted = z - z.max(axis=1, keepdims=True)
        # log p_t = z_t - log sum_j e^z_j, which stays finite where p_t is too small for a float
        log_p = shifted[np.arange(len(z)), labels] - np.log(np.exp(shifted).sum(axis=1))
        # L = -1/N sum log p_t
        return float(-log_p.mean())

    def backward(self):
        """Gradient of the loss by the scores (N, K)."""
        dz = self.p.copy()
        # dL/dz_k = (p_k - 1 if k is the right class else p_k) / N
        dz[np.arange(len(dz)), self.labels] -= 1
        return dz / len(dz)
