"""GoogLeNet: nine inception modules, which look at the maps through windows of several sizes at once."""
