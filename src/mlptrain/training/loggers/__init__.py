"""Where the metrics of each epoch go beside history.csv."""
