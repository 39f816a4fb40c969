"""Times a training step of DCGAN beside plain ones: images a second.

    .venv/bin/python benchmarks/gan.py --threads 2 --json gan.json

The peers have the same layers and start from the same weights: in PyTorch a model and a step in the manner of its DCGAN example
(transposed convolutions from 1 x 1 on, a sigmoid and binary cross-entropy, the whole backward pass for either network), in Keras
a model with a `train_step` in the manner of its GAN example (real and generated images in one batch, binary cross-entropy,
new noise for the generator). None of them averages weights. A network and its peer take turns; what counts is the median. Above
1, ours is faster.
"""
import functools
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "benchmarks")]

from text import FRAMEWORKS, Speed, in_a_process, table  # noqa: E402  (found only now)
from turns import alternate, compare, positive  # noqa: E402

from dlbook.command import Parser  # noqa: E402
from dlbook.gan.dcgan import spec  # noqa: E402
from dlbook.gan.training import GanTraining, drawn  # noqa: E402

NETWORKS = {"small": (spec.small, 64), "side64": (replace(spec.published, width=64, kernel=4), 16)}  # architecture, images a step
RATE = 2e-4


def main(words=None):
    """Measure, print the table, write the JSON file.

    Args:
        words: the command line's; None takes those of the process.

    Returns:
        list of text.Speed; `ours` and `peer` are images a second.
    """
    apart = functools.partial(in_a_process, program=__file__)
    return compare("speeds", arguments(words), measure, apart, table)


def arguments(words=None):
    """Read the command line; a slip ends the program with one sentence."""
    parser = Parser(prog="gan.py", description="Time a training step of DCGAN beside plain ones.")
    parser.add_argument("--only", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), help="all without it")
    parser.add_argument("--framework", nargs="+", choices=FRAMEWORKS, default=list(FRAMEWORKS), help="both without it")
    parser.add_argument("--threads", type=positive, default=2, help="processor threads (2)")
    parser.add_argument("--repeats", type=positive, default=9, help="turns of each network (9)")
    parser.add_argument("--json", metavar="FILE", help="write the speeds there too")
    return parser.parse_args(words)


def measure(options):
    """Time the chosen networks of one framework, in this process; returns a list of Speed."""
    from dlbook import profile

    framework, found = options.framework[0], []
    profile.setup(framework)
    for name in options.only:
        a, batch = NETWORKS[name]
        ours, peer = {"torch": torch_jobs, "keras": keras_jobs}[framework](a, batch)
        found.append(Speed(name, framework, "train", *(batch / seconds for seconds in alternate(ours, peer, options.repeats))))
        print(f"{name} {framework}: {found[-1].ratio:.2f}", file=sys.stderr, flush=True)
    return found


def images(a, batch):
    """(1, batch, H, W, C) random images in [-1, 1]."""
    import numpy as np

    return np.random.default_rng(0).uniform(-1, 1, (1, batch, a.side, a.side, a.channels)).astype("float32")


def same(ours, peer, what):
    """Stop where a peer computes something else."""
    import numpy as np

    difference = float(np.abs(ours - peer).max())
    if not difference < 1e-4:
        raise RuntimeError(f"the networks and their peers do not compute the same: their {what} differ by {difference:g}.")


def our_job(step, a, batch, real):
    """A turn as `fit` plays it, with what it draws."""
    training = GanTraining(1, batch, RATE)
    return lambda: step(real, *drawn(training, a.latent_dim, 0, 0))


def torch_jobs(a, batch):
    """(our job, the peer's) in PyTorch."""
    import torch

    from dlbook.gan.dcgan import with_torch
    from dlbook.gan.objectives import with_torch as objectives

    gan, real = with_torch.dcgan(a), images(a, batch).transpose(0, 1, 4, 2, 3).copy()
    generator, discriminator = torch_plain(gan)
    with torch.no_grad():
        noise = torch.randn(8, a.latent_dim)
        fake = gan.generator(noise)
        same(fake.numpy(), generator(noise[:, :, None, None]).numpy(), "images")
        same(torch.sigmoid(gan.discriminator(fake)).numpy(), discriminator(fake).flatten(1).numpy(), "answers")
    step = objectives.stepper(gan, GanTraining(1, batch, RATE))
    return our_job(step, a, batch, real), torch_peer_job(generator, discriminator, torch.as_tensor(real[0]), a.latent_dim)


def torch_plain(gan):
    """Generator and discriminator as PyTorch's example writes them, with our weights."""
    from torch import nn

    a = gan.a
    up = [nn.ConvTranspose2d(a.latent_dim, a.maps[0], a.start, 1, 0, bias=False), nn.BatchNorm2d(a.maps[0]), nn.ReLU(True)]
    for before, after in zip(a.maps, a.maps[1:]):
        up += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)]
    up += [nn.ConvTranspose2d(a.maps[-1], a.channels, 4, 2, 1, bias=False), nn.Tanh()]
    maps = a.maps[::-1]
    down = [nn.Conv2d(a.channels, maps[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for before, after in zip(maps, maps[1:]):
        down += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, True)]
    down += [nn.Conv2d(maps[-1], 1, a.start, 1, 0, bias=False), nn.Sigmoid()]
    networks = nn.Sequential(*up), nn.Sequential(*down)
    for ours, peer in zip((gan.generator, gan.discriminator), networks):
        for weight, value in zip(peer.parameters(), ours.parameters(), strict=True):
            # Our dense layer (8w 4 4, z) is its first transposed convolution (z, 8w, 4, 4).
            value = value.detach().T if weight is peer[0].weight and value.ndim == 2 else value.detach()
            weight.data.copy_(value.reshape(weight.shape))
    return networks


def torch_peer_job(generator, discriminator, real, latent_dim):
    """A step of the example: real images, generated ones, the discriminator's Adam, the generator's."""
    import torch

    loss_of, n = torch.nn.BCELoss(), len(real)
    optimizers = [torch.optim.Adam(network.parameters(), RATE, (0.5, 0.999)) for network in (discriminator, generator)]

    def step():
        ones, zeros = torch.ones(n), torch.zeros(n)
        discriminator.zero_grad()
        loss = loss_of(discriminator(real).view(-1), ones)
        loss.backward()
        fake = generator(torch.randn(n, latent_dim, 1, 1))
        on_fake = loss_of(discriminator(fake.detach()).view(-1), zeros)
        on_fake.backward()
        optimizers[0].step()
        generator.zero_grad()
        through = loss_of(discriminator(fake).view(-1), ones)
        through.backward()
        optimizers[1].step()
        return (loss + on_fake).item(), through.item()

    return step


def keras_jobs(a, batch):
    """(our job, the peer's) in Keras."""
    import keras
    import numpy as np

    from dlbook.gan.dcgan import with_keras
    from dlbook.gan.objectives import with_keras as objectives

    gan, real = with_keras.dcgan(a), images(a, batch)
    peer = keras_plain()(gan, a.latent_dim)
    noise = np.random.default_rng(0).standard_normal((8, a.latent_dim)).astype("float32")
    fake = gan.generator(noise)
    same(np.asarray(fake), np.asarray(peer.generator(noise)), "images")
    same(np.asarray(gan.discriminator(fake)), np.asarray(peer.discriminator(fake)), "answers")
    adam = lambda: keras.optimizers.Adam(RATE, beta_1=0.5)
    peer.compile(adam(), adam(), keras.losses.BinaryCrossentropy(from_logits=True))
    step = objectives.stepper(gan, GanTraining(1, batch, RATE))
    return our_job(step, a, batch, real), lambda: peer.train_on_batch(real[0])


def keras_plain():
    """The class of a GAN as Keras' example writes it, around copies of our networks."""
    import keras
    import tensorflow as tf

    class Plain(keras.Model):
        def __init__(self, gan, latent_dim):
            super().__init__()
            self.generator, self.discriminator = (keras.models.clone_model(network) for network in (gan.generator, gan.discriminator))
            self.generator.set_weights(gan.generator.get_weights())
            self.discriminator.set_weights(gan.discriminator.get_weights())
            self.latent_dim = latent_dim

        def compile(self, d_optimizer, g_optimizer, loss_of):
            super().compile()
            self.d_optimizer, self.g_optimizer, self.loss_of = d_optimizer, g_optimizer, loss_of
            self.d_loss, self.g_loss = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="g_loss")

        @property
        def metrics(self):
            return [self.d_loss, self.g_loss]

        def train_step(self, data):
            real, n = data[0], tf.shape(data[0])[0]
            fake = self.generator(tf.random.normal((n, self.latent_dim)), training=True)
            both, labels = tf.concat([fake, real], 0), tf.concat([tf.zeros((n, 1)), tf.ones((n, 1))], 0)
            with tf.GradientTape() as tape:
                d_loss = self.loss_of(labels, self.discriminator(both, training=True))
            self._descend(self.d_optimizer, tape, d_loss, self.discriminator)
            noise = tf.random.normal((n, self.latent_dim))
            with tf.GradientTape() as tape:
                answers = self.discriminator(self.generator(noise, training=True), training=True)
                g_loss = self.loss_of(tf.ones((n, 1)), answers)
            self._descend(self.g_optimizer, tape, g_loss, self.generator)
            self.d_loss.update_state(d_loss)
            self.g_loss.update_state(g_loss)
            return {"d_loss": self.d_loss.result(), "g_loss": self.g_loss.result()}

        def _descend(self, optimizer, tape, loss, network):
            optimizer.apply_gradients(zip(tape.gradient(loss, network.trainable_weights), network.trainable_weights))

    return Plain


if __name__ == "__main__":
    main()
