"""The one plotting style: colours that colour-blind readers can tell apart, fixed fonts and sizes."""
import matplotlib

# Okabe and Ito (2008), "Color Universal Design": distinct in the common forms of colour blindness.
BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000"
RED = "#B3202A"  # what was predicted, beside the truth in blue; dark enough for small text on white
CYCLE = [BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, BLACK]
INK = matplotlib.colormaps["gray_r"]  # 0 is white paper, 1 is black ink
COUNTS = matplotlib.colormaps["Blues"]
MARKERS = "osD^vPX"  # beside colour, for those who see none

DPI = 120  # dots an inch in the file; shown at 96, so that lines stay crisp on dense screens
CSS_DPI = 96

RC = {
    "figure.dpi": DPI, "figure.facecolor": "white", "savefig.facecolor": "white", "figure.constrained_layout.use": True,
    "font.family": ["DejaVu Sans"], "font.size": 9.5, "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "grid.linewidth": 0.6,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE), "lines.linewidth": 1.8, "lines.markersize": 4.5, "legend.frameon": False,
    "text.hinting": "none",  # glyphs fall on the same dots everywhere
}

matplotlib.rcParams.update(RC)  # a reader's own plots join in
