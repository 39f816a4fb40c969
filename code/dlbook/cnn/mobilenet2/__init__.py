"""MobileNetV2: inverted residuals, wide inside and narrow between, with linear bottlenecks."""
