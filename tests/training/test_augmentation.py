import numpy as np
import pytest

from mlptrain.augmentations import AUGMENTATIONS, flip, make_augmentations, neutral_values
from mlptrain.augmentations.augmentation import Draws
from mlptrain.config.compose import compose
from mlptrain.data.mini import load_mini

SEED = 42


def augmentations(**values):
    """The augmentations that these keys switch on."""
    return list(make_augmentations({**neutral_values(), **values}).values())


def draws(step=0, seed=SEED, **once):
    """The random numbers of a step of epoch 1."""
    import tensorflow as tf

    return Draws(seed, tf.convert_to_tensor(step), tf.constant(1), once)


@pytest.fixture(scope="module")
def images():
    """uint8 (64, 32, 32, 3), none of them its own mirror image."""
    return load_mini().train_images[:64]


@pytest.fixture
def augment(images):
    """Augmented images, uint8 (n, 32, 32, 3), at a step."""
    import tensorflow as tf

    from mlptrain.training.augmentation import augment_images

    def run(step=0, seed=SEED, of=images, **changes):
        flat = tf.constant(of.reshape(len(of), -1))
        result = augment_images(flat, augmentations(**changes), draws(step, seed)).numpy()
        assert (result.dtype, result.shape) == (np.uint8, flat.shape)
        return result.reshape(of.shape)

    return run


EACH = [
    {"flip": True},
    {"shift": 4},
    {"crop": 20},
    {"brightness": 0.3},
    {"contrast": 0.4},
    {"cutout": 12},
    {"flip": True, "shift": 2, "crop": 28, "brightness": 0.1, "contrast": 0.1, "cutout": 6},
]


def test_none_leaves_the_images_as_they_are(augment, images):
    np.testing.assert_array_equal(augment(), images)


@pytest.mark.parametrize("changes", EACH)
def test_draws_depend_on_seed_and_step_alone(augment, changes):
    first = augment(step=3, **changes)
    np.testing.assert_array_equal(augment(step=3, **changes), first)
    assert (augment(step=4, **changes) != first).any()
    assert (augment(step=3, seed=SEED + 1, **changes) != first).any()


@pytest.mark.parametrize("changes", EACH)
def test_a_compiled_step_draws_the_same(images, augment, changes):
    import tensorflow as tf

    from mlptrain.training.augmentation import augment_images

    active = augmentations(**changes)
    compiled = tf.function(lambda flat, step: augment_images(flat, active, draws(step)))
    result = compiled(tf.constant(images.reshape(64, -1)), tf.constant(5)).numpy()
    np.testing.assert_array_equal(result.reshape(images.shape), augment(step=5, **changes))


def test_each_image_is_mirrored_as_a_whole_or_not_at_all(augment, images):
    flipped = 0
    for step in range(10):
        for before, after in zip(images, augment(step, flip=True), strict=True):
            mirrored = (after == before[:, ::-1]).all()
            assert mirrored or (after == before).all()
            flipped += mirrored
    # Half of 640, give or take five standard deviations.
    assert abs(flipped - 320) < 5 * np.sqrt(640 / 4)


def shifts_of(before, after, most):
    """All (down, right) that turn one image into the other, edges reflected by NumPy."""
    padded = np.pad(before, ((most, most), (most, most), (0, 0)), mode="reflect")
    return {
        (down, right)
        for down in range(-most, most + 1)
        for right in range(-most, most + 1)
        if (padded[most + down :, most + right :][:32, :32] == after).all()
    }


@pytest.mark.parametrize("most", [1, 4, 31])
def test_shift_is_a_crop_of_the_reflected_image(augment, images, most):
    few = images[:6]
    for before, after in zip(few, augment(of=few, shift=most), strict=True):
        assert len(shifts_of(before, after, most)) == 1


def test_every_offset_up_to_the_largest_occurs_in_both_directions(augment, images):
    seen = set()
    for step in range(3):
        for before, after in zip(images, augment(step, shift=2), strict=True):
            seen |= shifts_of(before, after, 2)
    assert seen == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


@pytest.mark.parametrize("size", [1, 5, 12, 32])
def test_cutout_greys_one_square_and_touches_nothing_else(augment, size):
    white = np.full((64, 32, 32, 3), 255, np.uint8)
    unchanged = 0
    for image in augment(of=white, cutout=size):
        grey = (image == 128).all(axis=2)
        assert ((image == 255).all(axis=2) | grey).all()
        rows, columns = grey.any(axis=1), grey.any(axis=0)
        np.testing.assert_array_equal(grey, rows[:, None] & columns[None])
        for line in (rows, columns):
            inside = np.flatnonzero(line)
            # Contiguous; shorter than `size` only where the border cuts it.
            assert inside[-1] - inside[0] + 1 == len(inside) <= size
            assert len(inside) == size or inside[0] == 0 or inside[-1] == 31
            assert len(inside) >= size // 2
        unchanged += grey.sum() == size**2
    assert unchanged > 0 or size == 32


def test_switching_one_kind_on_leaves_the_draws_of_the_others(augment):
    white = np.full((64, 32, 32, 3), 255, np.uint8)
    white[:, :, 0] = 0  # the left edge tells whether an image was mirrored

    def mirrored(images):
        return (images[:, :, 31, 0] == 0).mean(axis=1) > 0.5

    alone, with_cutout = augment(of=white, flip=True), augment(of=white, flip=True, cutout=8)
    np.testing.assert_array_equal(mirrored(with_cutout), mirrored(alone))


def test_fresh_noise_is_gaussian_and_new_at_every_step():
    import tensorflow as tf

    (noise,) = augmentations(std=0.1, when="every_epoch")
    scaled = tf.zeros((64, 3072))
    first, again, second, other = (
        noise.change_scaled(scaled, draws(step, seed)).numpy()
        for seed, step in ((1, 7), (1, 7), (1, 8), (2, 7))
    )
    assert (first.dtype, first.shape) == (np.float32, (64, 3072))
    assert first.std() == pytest.approx(0.1, rel=0.01)
    assert abs(first.mean()) < 1e-3
    np.testing.assert_array_equal(first, again)
    for another in (second, other):
        assert abs(np.corrcoef(first.ravel(), another.ravel())[0, 1]) < 0.02


@pytest.fixture
def mix():
    """Inputs that name their image and one-hot targets, mixed at a step; and the share drawn."""
    import tensorflow as tf

    from mlptrain.training.augmentation import mix_batch

    def run(step=0, seed=SEED, alpha=0.2, n=16):
        inputs = np.repeat(np.arange(n, dtype=np.float32)[:, None], 3072, axis=1)
        targets = np.eye(10, dtype=np.float32)[np.arange(n) % 10]
        mixed, mixed_targets = mix_batch(
            tf.constant(inputs),
            tf.constant(targets),
            augmentations(mixup=alpha),
            draws(step, seed),
            scaled=True,
        )
        return inputs, targets, mixed.numpy(), mixed_targets.numpy()

    return run


def test_mixup_mixes_images_and_targets_of_neighbours_with_one_share(mix):
    inputs, targets, mixed, mixed_targets = mix(alpha=1.0)
    share = mixed_targets[1, 1]
    assert 0 < share < 1
    expected = share * inputs + (1 - share) * np.roll(inputs, 1, axis=0)
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)
    expected = share * targets + (1 - share) * np.roll(targets, 1, axis=0)
    np.testing.assert_allclose(mixed_targets, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("alpha", [1e-3, 0.2, 1.0, 50.0])
def test_mixed_targets_sum_to_one_whatever_alpha(mix, alpha):
    for step in range(20):
        *_, mixed, targets = mix(step, alpha=alpha)
        assert np.isfinite(mixed).all()
        np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.slow
def test_the_share_follows_the_beta_distribution(mix):
    shares = np.array([mix(step, alpha=0.5)[3][1, 1] for step in range(300)])
    # Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)).
    assert shares.mean() == pytest.approx(0.5, abs=0.1)
    assert shares.var() == pytest.approx(0.125, abs=0.02)


def test_mixup_depends_on_seed_and_step_alone(mix):
    np.testing.assert_array_equal(mix(3)[2], mix(3)[2])
    assert (mix(4)[2] != mix(3)[2]).any()
    assert (mix(3, seed=1)[2] != mix(3)[2]).any()


def test_no_two_kinds_of_draws_and_no_two_seeds_share_a_stream():
    from mlptrain.training.augmentation import MIX_CHOICE

    streams = [stream for each in AUGMENTATIONS.values() for stream in each.streams.values()]
    words = [
        int(draws(seed=seed).key(stream)[0])
        for seed in range(40, 80)
        for stream in [*streams, MIX_CHOICE]
    ]
    assert len(words) >= 40 * 12
    assert len(set(words)) == len(words)


def test_alternating_flips_begin_with_half_of_the_images_drawn_by_the_seed():
    def drawn(seed):
        return flip.Settings(flip="alternating").draw_once(seed, (1_000, 3072))

    first = drawn(SEED)
    assert set(first) == {0, 1}
    np.testing.assert_array_equal(first, drawn(SEED))
    assert abs(int(first.sum()) - 500) < 5 * np.sqrt(1_000 / 4)
    assert (first != drawn(SEED + 1)).any()


def test_given_flips_are_taken_instead_of_drawn_ones(augment, images):
    import tensorflow as tf

    from mlptrain.training.augmentation import augment_images

    mirrored = np.arange(64) % 3 == 0  # in epoch 1, which mirrors those that were not drawn
    result = augment_images(
        tf.constant(images.reshape(64, -1)),
        augmentations(flip="alternating"),
        draws(flip=tf.constant(~mirrored)),
    )
    expected = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    np.testing.assert_array_equal(result.numpy().reshape(images.shape), expected)


def test_crop_enlarges_one_square_by_the_nearest_pixel(augment, images):
    sides = set()
    for step in range(4):
        for before, after in zip(images[:12], augment(step, of=images[:12], crop=29), strict=True):
            result = [
                (side, down, right)
                for side in range(29, 33)
                for down in range(33 - side)
                for right in range(33 - side)
                if (enlarged(before[down : down + side, right : right + side]) == after).all()
            ]
            assert result
            sides |= {side for side, _, _ in result}
    assert sides == {29, 30, 31, 32}


def enlarged(square):
    """To 32 pixels: each takes the source pixel that its centre falls into."""
    side = len(square)
    places = ((np.arange(32) + 0.5) * side / 32).astype(int)
    return square[places][:, places]


@pytest.mark.parametrize("most", [0.1, 1.0])
def test_brightness_adds_one_number_to_a_whole_image(augment, most):
    grey = np.full((64, 32, 32, 3), 128, np.uint8)
    values = []
    for image in augment(of=grey, brightness=most):
        assert (image == image[0, 0, 0]).all()
        values.append(int(image[0, 0, 0]) - 128)
    assert min(values) < -0.4 * 255 * most / 2
    assert max(values) > 0.4 * 255 * most / 2
    assert max(map(abs, values)) <= 255 * most + 1


def test_contrast_keeps_the_mean_and_stretches_around_it(augment):
    half = np.full((64, 32, 32, 3), 100, np.uint8)
    half[:, 16:] = 140
    for image in augment(of=half, contrast=0.5):
        low, high = int(image[0, 0, 0]), int(image[31, 0, 0])
        assert low + high == pytest.approx(240, abs=1)
        assert 0.5 * 40 - 1 <= high - low <= 1.5 * 40 + 1


@pytest.fixture
def cut():
    """Images of one value each and one-hot targets after cutmix at a step."""
    import tensorflow as tf

    from mlptrain.training.augmentation import mix_batch

    def run(step=0, n=10, **changes):
        active = augmentations(**{"cutmix": 1.0, **changes})
        images = np.repeat(np.arange(n, dtype=np.uint8)[:, None], 3072, axis=1)
        targets = np.eye(10, dtype=np.float32)[:n]
        mixed, mixed_targets = mix_batch(
            tf.constant(images), tf.constant(targets), active, draws(step), scaled=False
        )
        return mixed.numpy().reshape(n, 32, 32, 3), mixed_targets.numpy()

    return run


def test_cutmix_puts_one_box_of_the_neighbour_in_and_mixes_targets_by_its_area(cut):
    areas = []
    for step in range(20):
        mixed, targets = cut(step)
        foreign = (mixed[3] == 2).all(axis=2)
        assert ((mixed[3] == 3).all(axis=2) | foreign).all()
        rows, columns = foreign.any(axis=1), foreign.any(axis=0)
        np.testing.assert_array_equal(foreign, rows[:, None] & columns[None])
        assert targets[3, 2] == pytest.approx(foreign.mean(), abs=1e-5)
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)
        areas.append(foreign.mean())
    assert len(set(areas)) > 10


def test_of_mixup_and_cutmix_each_step_uses_one(cut, mix):
    both = {"cutmix": 1.0, "mixup": 1.0}
    cuts = [(cut(step, **both)[1][3, 2] > 0) for step in range(40)]
    assert 5 < sum(cuts) < 35


@pytest.mark.parametrize(
    "changes",
    [{"flip": "alternating"}, {"std": 0.5}, {"mixup": 1.0}, {"cutmix": 1.0}, {"crop": 24}],
)
def test_the_preview_shows_what_changes(images, changes):
    from mlptrain.training.augmentation import preview

    words = [f"augmentation.{key}={value}" for key, value in changes.items()]
    config = compose(["augmentation=none", *words]).config
    spread = np.full(3072, 64.0)
    first, second = (preview(images, config, spread, epoch) for epoch in (1, 2))
    assert (first.dtype, first.shape) == (np.uint8, images.shape)
    assert (first != images).any()
    assert (first != second).any() == ("std" not in changes)
    if "flip" in changes:  # what one epoch leaves, the other mirrors
        for before, one, other in zip(images, first, second, strict=True):
            assert (one == before).all() != (other == before).all()
