"""What the two networks play for, and a step of the game, in PyTorch."""
import torch
from torch.nn.functional import softplus

from dlbook.gan.objectives import spec


def discriminator_loss(name, real_logits, fake_logits):
    """What the discriminator makes small: how wrong it is about both kinds of samples.

    Args:
        name: one of `spec.OBJECTIVES`.
        real_logits, fake_logits: its answers, (N,) or (N, 1).

    Returns:
        scalar tensor.

    Raises:
        ValueError: an unknown objective.
    """
    if spec.check(name) == "wasserstein":
        return fake_logits.mean() - real_logits.mean()
    # -log sigmoid(D(x)) - log(1 - sigmoid(D(G(z))))
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def generator_loss(name, fake_logits):
    """What the generator makes small: how well the discriminator sees through it.

    Args:
        name: one of `spec.OBJECTIVES`.
        fake_logits: its opponent's answers to generated samples, (N,) or (N, 1).

    Returns:
        scalar tensor.

    Raises:
        ValueError: an unknown objective.
    """
    if spec.check(name) == "wasserstein":
        return -fake_logits.mean()
    if name == "minimax":
        return -softplus(fake_logits).mean()  # log(1 - sigmoid(D(G(z))))
    return softplus(-fake_logits).mean()  # -log sigmoid(D(G(z)))


def gradient_penalty(discriminator, real, fake, mix):
    """How far the discriminator's slope is from 1, between real and generated samples.

    Args:
        discriminator: samples (N, ...) -> logits (N,) or (N, 1).
        real, fake: samples of the same shape (N, ...).
        mix: (N,) numbers in [0, 1], the share of `real` in each point.

    Returns:
        scalar tensor: the mean of (|slope| - 1)^2.

    Source: Gulrajani et al. (2017), equation 3.
    """
    mix = mix.reshape(-1, *[1] * (real.ndim - 1))
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
    logits = discriminator(between)
    slope, = torch.autograd.grad(logits.sum(), between, create_graph=True)
    length = (slope.flatten(1).square().sum(1) + spec.TINY).sqrt()  # N
    return (length - 1).square().mean()


def discriminator_step(gan, optimizer, training, real, fake, mix):
    """One update of the discriminator.

    Args:
        gan: has a `generator` and a `discriminator`.
        optimizer: the discriminator's.
        training: GanTraining.
        real, fake: samples (B, ...), true and generated.
        mix: (B,) numbers in [0, 1], for the gradient penalty.

    Returns:
        scalar tensor: the loss before the update, with the penalty.
    """
    fake = fake.detach()  # the generator does not learn from this
    answers = gan.discriminator(real), gan.discriminator(fake)
    loss = discriminator_loss(training.objective, *answers)
    if training.penalty:
        loss = loss + training.penalty * gradient_penalty(
            gan.discriminator, real, fake, mix)
    descend(optimizer, loss)
    return loss


def generator_step(gan, optimizer, training, fake):
    """One update of the generator.

    Args:
        gan: has a `generator` and a `discriminator`.
        optimizer: the generator's.
        training: GanTraining.
        fake: what it has generated (B, ...).

    Returns:
        scalar tensor: the loss before the update.
    """
    loss = generator_loss(training.objective, gan.discriminator(fake))
    descend(optimizer, loss)
    return loss


def alternate(gan, optimizers, training, real, noise, mix):
    """One turn of the game: the discriminator's updates, then one of the generator.

    Args:
        gan: has a `generator` and a `discriminator`; changed in place.
        optimizers: (the discriminator's, the generator's).
        training: GanTraining with k discriminator steps.
        real: (k, B, ...) samples.
        noise: (k, B, Z); both networks learn from what is made of the last.
        mix: (k, B) numbers in [0, 1].

    Returns:
        (the discriminator's last loss, the generator's loss), scalar tensors.
    """
    for x, z, t in zip(real, noise, mix):
        fake = gan.generator(z)
        told_apart = discriminator_step(gan, optimizers[0], training, x, fake, t)
    seen_through = generator_step(gan, optimizers[1], training, fake)
    if training.average:
        average(gan.averaged, gan.generator, training.average)
    return told_apart, seen_through


def descend(optimizer, loss):
    """Move the optimizer's weights, and only those, down a loss of shape ()."""
    weights = [w for group in optimizer.param_groups for w in group["params"]]
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights)):
        weight.grad = _beside(weight, slope)
    optimizer.step()


def average(averaged, generator, decay):
    """Let a second generator follow the first: its weights become decay x their own + (1 - decay) x the first's.

    Args:
        averaged, generator: networks of the same shape; the first is changed in place.
        decay: share of itself that each of its weights keeps.
    """
    with torch.no_grad():
        for mean, value in zip(averaged.state_dict().values(), generator.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def adams(gan, training):
    """An Adam for each network of a GAN, which takes noise (N, Z) to samples (N, ...).

    Args:
        gan: has a `generator` and a `discriminator`.
        training: GanTraining.

    Returns:
        (the discriminator's, the generator's).
    """
    def adam(network):
        learnt = [p for p in network.parameters() if p.requires_grad]
        return torch.optim.Adam(learnt, training.learning_rate, (training.beta1, training.beta2), training.epsilon, fused=True)
    return adam(gan.discriminator), adam(gan.generator)


def moments_of(optimizers):
    """All that the two Adams remember, as arrays: dict of `<player>.adam.<number>.<name>` to array."""
    return {f"{player}.adam.{k}.{name}": value.cpu().numpy().copy() for player, optimizer in zip(spec.PLAYERS, optimizers)
            for k, values in optimizer.state_dict()["state"].items() for name, value in values.items()}


def put_moments(optimizers, state):
    """Give the two Adams other memories; `state` is a dict as `moments_of` returns it, and may hold more."""
    for player, optimizer in zip(spec.PLAYERS, optimizers):
        found, weights = {}, optimizer.param_groups[0]["params"]
        for name, value in state.items():
            if name.startswith(f"{player}.adam."):
                *_, k, entry = name.split(".")
                found.setdefault(int(k), {})[entry] = _beside(weights[int(k)], torch.as_tensor(value))
        optimizer.load_state_dict(optimizer.state_dict() | {"state": found})


def _beside(weight, value):
    """A slope or a moment of Adam laid out in memory as its weight is, since the fused Adam reads both from end to end; a count as it is."""
    return value if value.stride() == weight.stride() or not value.ndim else torch.empty_like(weight).copy_(value)


def stepper(gan, training, optimizers=None):
    """A function that plays one turn on NumPy arrays.

    Args:
        gan: has a `generator` and a `discriminator`; put into training mode and changed in place by each turn.
        training: GanTraining with k discriminator steps.
        optimizers: as `adams` makes them, to go on with; None begins anew.

    Returns:
        function of real (k, B, ...), noise (k, B, Z) and mix (k, B) that returns both losses as floats, as `alternate` does.
    """
    optimizers = optimizers or adams(gan, training)
    weight = next(gan.generator.parameters())

    def step(*arrays):
        gan.train()
        tensors = [torch.as_tensor(a, dtype=weight.dtype, device=weight.device) for a in arrays]
        return tuple(loss.item() for loss in alternate(gan, optimizers, training, *tensors))
    return step
