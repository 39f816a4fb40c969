"""Official ImageNet weights of torchvision and of keras.applications: file names, checksums, sizes. The registry is filled from here.

Neither publishes a whole SHA-256. torchvision puts its first eight digits into the file name; Keras' code has an MD5.
Not here: Keras' MobileNet v1 and v2, for which no checksum is published at all.
"""

TORCHVISION_URL = "https://download.pytorch.org/models/"
KERAS_URL = "https://storage.googleapis.com/tensorflow/keras-applications/"

# Network -> file of `IMAGENET1K_V1`, and its size in MiB as torchvision's metadata has it (`_file_size`).
# Source: the enumerations `*_Weights` of torchvision.models, version 0.28.0.
TORCHVISION = {
    "alexnet": ("alexnet-owt-7be5be79.pth", 233.087),
    "vgg11": ("vgg11-8a719046.pth", 506.84),
    "vgg13": ("vgg13-19584684.pth", 507.545),
    "vgg16": ("vgg16-397923af.pth", 527.796),
    "vgg19": ("vgg19-dcbb9e9d.pth", 548.051),
    "googlenet": ("googlenet-1378be20.pth", 49.731),
    "inception_v3": ("inception_v3_google-0cc3c7bd.pth", 103.903),
    "resnet18": ("resnet18-f37072fd.pth", 44.661),
    "resnet34": ("resnet34-b627a593.pth", 83.275),
    "resnet50": ("resnet50-0676ba61.pth", 97.781),
    "resnet101": ("resnet101-63fe2227.pth", 170.511),
    "resnet152": ("resnet152-394f9c45.pth", 230.434),
    "densenet121": ("densenet121-a639ec97.pth", 30.845),
    "densenet169": ("densenet169-b2777c0a.pth", 54.708),
    "densenet201": ("densenet201-c1103571.pth", 77.373),
    "mobilenet_v2": ("mobilenet_v2-b0353104.pth", 13.555),
    "squeezenet1_0": ("squeezenet1_0-b66bff10.pth", 4.778),
    "squeezenet1_1": ("squeezenet1_1-b8a52dc0.pth", 4.729),
}
# GoogLeNet and Inception v3 are "ported from the original paper", the DenseNets "from LuaTorch" (`_docs` in the metadata).
TORCHVISION_LICENCE = "BSD-3-Clause, torchvision contributors"

# Network -> file with the 1000-class top, MD5, parameters (moving statistics included), licence.
# Source: keras/src/applications/*.py, version 3.15.1; licences: Keras' documentation of its applications.
KERAS = {
    "vgg16": ("vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5", "64373286793e3c8b2b4e3219cbf3544b", 138_357_544, "CC BY 4.0, VGG, Oxford"),
    "vgg19": ("vgg19/vgg19_weights_tf_dim_ordering_tf_kernels.h5", "cbe5617147190e668d6c5d5026f83318", 143_667_240, "CC BY 4.0, VGG, Oxford"),
    "resnet50": ("resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5", "2cb95161c43110f7111970584f804107", 25_636_712, "MIT, Kaiming He"),
    "resnet101": ("resnet/resnet101_weights_tf_dim_ordering_tf_kernels.h5", "f1aeb4b969a6efcfb50fad2f0c20cfc5", 44_707_176, "MIT, Kaiming He"),
    "resnet152": ("resnet/resnet152_weights_tf_dim_ordering_tf_kernels.h5", "100835be76be38e30d865e96f2aaae62", 60_419_944, "MIT, Kaiming He"),
    "densenet121": ("densenet/densenet121_weights_tf_dim_ordering_tf_kernels.h5", "9d60b8095a5708f2dcce2bca79d332c7", 8_062_504,
                    "BSD-3-Clause, Zhuang Liu"),
    "densenet169": ("densenet/densenet169_weights_tf_dim_ordering_tf_kernels.h5", "d699b8f76981ab1b30698df4c175e90b", 14_307_880,
                    "BSD-3-Clause, Zhuang Liu"),
    "densenet201": ("densenet/densenet201_weights_tf_dim_ordering_tf_kernels.h5", "1ceb130c1ea1b78c3bf6114dbdfd8807", 20_242_984,
                    "BSD-3-Clause, Zhuang Liu"),
    "inception_v3": ("inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels.h5", "9a0d58056eeedaa3f26cb7ebd46da564", 23_851_784,
                     "Apache-2.0, Google"),
    "nasnet_mobile": ("nasnet/NASNet-mobile.h5", "020fb642bf7360b370c678b08e0adf61", 5_326_716, "Apache-2.0, Google"),
}
# Those of the convolutions alone.
KERAS_MAPS = {
    "vgg19": ("vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", "253f8cb515780f3b799900260a226db6", 20_024_384, "CC BY 4.0, VGG, Oxford"),
}
