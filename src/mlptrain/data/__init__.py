"""Where images come from, verification, split, standardisation, augmentation."""
