"""LeNet-5: as published, with partial connections, learnt subsampling and Gaussian units, and as it is built today."""
