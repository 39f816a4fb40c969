"""What the two networks of a generative adversarial network play for: the objectives' names, their equations and their sources.

A discriminator D answers a sample x with a logit D(x), positive when it takes x for real; a generator makes x = G(z) from noise z.
Its belief that x is real is sigmoid(D(x)), so that with softplus(a) = log(1 + e^a)

    -log sigmoid(D) = softplus(-D)   and   -log(1 - sigmoid(D)) = softplus(D),

which neither overflow nor lose digits.
"""

OBJECTIVES = {
    # The game of two players, min over G, max over D, of E log sigmoid(D(x)) + E log(1 - sigmoid(D(G(z)))).
    # When D is sure of a fake, the generator's loss is flat: it saturates.
    "minimax": "Goodfellow et al. (2014), arXiv 1406.2661, equation 1",
    # The same D; G makes log sigmoid(D(G(z))) large instead, which is steep where the other is flat.
    "nonsaturating": "Goodfellow et al. (2014), arXiv 1406.2661, section 3, last paragraph",
    # D's answers are no beliefs but heights, as far apart as its slope allows; the penalty keeps the slope near 1.
    "wasserstein": "Gulrajani et al. (2017), arXiv 1704.00028, equation 3",
}
PENALTY = 10.0  # weight of the gradient penalty: lambda of Gulrajani et al. (2017), section 4
PLAYERS = ("discriminator", "generator")  # in the order of their optimizers
TINY = 1e-12  # under the root of a gradient's length, whose derivative at 0 is infinite


def check(name):
    """The name of an objective, checked.

    Args:
        name: one of `OBJECTIVES`.

    Returns:
        str: the same.

    Raises:
        ValueError: another name.
    """
    if name not in OBJECTIVES:
        raise ValueError(f"objective must be one of: {', '.join(OBJECTIVES)}; got {name!r}.")
    return name
