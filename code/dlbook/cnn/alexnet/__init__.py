"""AlexNet: five convolutions in two towers, local response normalisation, three dense layers; and the one tower in use today."""
