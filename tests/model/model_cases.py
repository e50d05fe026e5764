"""Models that are broken, enormous or made to do harm, and why each is refused."""

import io
import json
import os
import pickle
import struct
import zipfile
import zlib

import h5py
import numpy as np
from crafted import TINY, facts, in_both_headers, write_json

SHAPES = {
    "layers/dense/vars/0": (3072, 4),
    "layers/dense/vars/1": (4,),
    "layers/dense_1/vars/0": (4, 10),
    "layers/dense_1/vars/1": (10,),
}
KERNEL = "layers/dense/vars/0"
GOOD = None
CASES = {}


def case(reason, *words, name=None):
    """Register a model; `reason` is why it is refused, or GOOD if it can be evaluated."""

    def register(build):
        CASES[name or build.__name__.replace("_", " ")] = (build, reason, words)
        return build

    return register


def layers(*more):
    return {"class_name": "Sequential", "config": {"name": "mlp", "layers": list(more)}}


def normalization(mean=100.0, variance=4_000.0):
    """Describe a layer of constants; a number stands for all 3,072 of them."""
    constants = {
        name: [[value] * 3072] if isinstance(value, float) else value
        for name, value in (("mean", mean), ("variance", variance))
    }
    return {"module": "keras.layers", "class_name": "Normalization", "config": constants}


def weights(change=lambda file: None, **options):
    """Return an HDF5 file as Keras writes it; `change` may alter it."""
    draw = np.random.default_rng(0)
    stream = io.BytesIO()
    with h5py.File(stream, "w", **options) as file:
        for path, shape in SHAPES.items():
            file[path] = draw.normal(0, 0.1, shape).astype(np.float32)
        change(file)
    return stream.getvalue()


def write_model(folder, described=None, arrays=None, packing=zipfile.ZIP_STORED, more=()):
    if described is None:
        described = layers(normalization())
    text = described if isinstance(described, bytes) else json.dumps(described).encode()
    with zipfile.ZipFile(folder / "model.keras", "w", packing) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", weights() if arrays is None else arrays)
        for name, content in more:
            archive.writestr(name, content)
    return folder / "model.keras"


@case(GOOD)
def a_good_model(folder, outside):
    write_model(folder)


@case(GOOD, "data.scaling=minus_one_one")
def a_good_model_without_constants(folder, outside):
    write_model(folder, described={})


# The file.


class Payload:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def placed(reason, name, make):
    """Register what `make` puts at the path of the model."""

    @case(reason, name=name)
    def build(folder, outside):
        make(folder / "model.keras")


placed("which has none", "no model", lambda path: None)
placed("which has none", "a dangling link", lambda path: path.symlink_to("nowhere"))
placed("which has none", "a directory", lambda path: path.mkdir())
placed("which has none", "a named pipe", os.mkfifo)
placed(".", "an empty file", lambda path: path.touch())
placed(".", "a text", lambda path: path.write_text("hello\n" * 1_000))
placed(".", "a pickle", lambda path: path.write_bytes(pickle.dumps(Payload())))


@case(".")
def half_a_file(folder, outside):
    path = write_model(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@case("no such file")
def a_link_to_a_good_model(folder, outside):
    (folder / "model.keras").symlink_to(write_model(outside))


@case(".")
def two_gb_that_claim_to_be_a_table_of_contents(folder, outside):
    size = 2_000_000_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, size, 0, 0)
    with (folder / "model.keras").open("wb") as stream:
        stream.seek(size)
        stream.write(end)


# The zip.


@case("config.json")
def no_config(folder, outside):
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("model.weights.h5", weights())


@case(".")
def no_weights(folder, outside):
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")


@case("config.json unpacks to more than")
def a_config_of_1_gb(folder, outside):
    write_model(folder, b" " * (1 << 30), packing=zipfile.ZIP_DEFLATED)


@case("model.weights.h5 unpacks to more than")
def weights_of_1_gb(folder, outside):
    write_model(folder, arrays=bytes(1 << 30), packing=zipfile.ZIP_DEFLATED)


def lying(name, offset, value):
    @case(".", name=name)
    def build(folder, outside):
        path = write_model(folder, packing=zipfile.ZIP_DEFLATED)
        content = bytearray(path.read_bytes())
        in_both_headers(content, offset, value)
        path.write_bytes(content)


lying("members with a stated size that is too small", 22, b"\x10\0\0\0")
lying("members with a stated packed size that is too small", 18, b"\x10\0\0\0")
lying("members of another checksum", 14, b"\0\0\0\0")
lying("members that are encrypted", 6, b"\x01\x00")
lying("members packed in an unknown way", 8, b"\x63\x00")


@case(".")
def members_with_damaged_packing(folder, outside):
    path = write_model(folder, packing=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.find(b"model.weights.h5") + 16
    content[at + 20 : at + 2_000] = b"\xff" * 1_980
    path.write_bytes(content)


@case(GOOD)
def members_outside_the_folder(folder, outside):
    more = [("../pwned", "x"), (str(outside / "pwned"), "x"), ("assets/../../pwned", "x")]
    write_model(folder, more=more)


# config.json: only the constants of the scaling are read, and only if the run's config needs them.

HOSTILE_LAYERS = [
    {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {
        "code": "4wEAAAAAAAAAAAAAAAEAAAADAAAA", "defaults": None, "closure": None}}}},
    {"module": "os", "class_name": "system", "config": "touch pwned", "registered_name": "system"},
    {"module": "builtins", "class_name": "eval", "config": "open('pwned', 'w')"},
    {"class_name": "TFOpLambda", "config": {"function": "io.write_file"}},
    {"class_name": "Dense", "config": {"units": 10**12, "activation": {"class_name": "function",
        "module": "os", "config": "system", "registered_name": "function"}}},
    {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
]  # fmt: skip


@case(GOOD)
def layers_that_would_run_code(folder, outside):
    described = layers(*HOSTILE_LAYERS, normalization())
    described["compile_config"] = {"optimizer": {"module": "os", "class_name": "system"}}
    write_model(folder, described)


@case(GOOD, "data.scaling=zero_one")
def no_layers_but_ones_that_would_run_code(folder, outside):
    write_model(folder, layers(*HOSTILE_LAYERS))


def configured(name, described, reason="."):
    @case(reason, name=name)
    def build(folder, outside):
        write_model(folder, described)


def number(text):
    """Return constants of which one is written as this text."""
    return json.dumps(layers(normalization())).replace("100.0", text, 1).encode()


configured("a config that is no JSON", b"{")
configured("a config in another encoding", b"\xff\xfe\x00")
configured("a config of 100,000 brackets", b"[" * 100_000)
configured("a config that is a list", [])
configured("a config that is text", '"x"')
configured("a config without layers", {"config": {}})
configured("layers that are a number", {"config": {"layers": 7}})
configured("layers that are text", {"config": {"layers": ["Normalization"]}})
configured("layers without a class", {"config": {"layers": [{}]}})
configured("no constants", layers())
configured("constants twice", layers(normalization(), normalization()))
configured("constants for two values", layers(normalization([1.0, 2.0])), "for 2 values")
configured("constants that are text", layers(normalization("x")))
configured("constants that are objects", layers(normalization({"__class__": "os.system"})))
configured("constants that are null", layers(normalization([None] * 3072)))
configured("constants nested unevenly", layers(normalization([[1.0], [1.0, 2.0]])))
configured("a constant of 400 digits", number("9" * 400))
configured("a constant of 5,000 digits", number("9" * 5_000))
configured("a constant that is no number", number("NaN"))
configured("a constant that is infinite", number("1e400"))
configured("a variance below zero", layers(normalization(variance=[[-1.0] * 3072])))


# model.weights.h5: plain arrays of this file, with the shapes that follow from the run's config.


def weighted(reason, name, change):
    """Register weights that `change` alters; it receives the file and the folder outside."""

    @case(reason, name=name)
    def build(folder, outside):
        write_model(folder, arrays=weights(lambda file: change(file, outside)))


def replaced(reason, name, make, of=KERNEL):
    """Register weights with something else in the place of an array or group.

    Args:
        reason: as for `case`.
        name: of the case.
        make: receives the file, the folder outside, and what was removed.
        of: the array or group that is removed; it stays readable as `hidden`.
    """

    def change(file, outside):
        file.move(of, "hidden")
        made = make(file, outside)
        if made is not None:
            file[of] = made

    weighted(reason, name, change)


def unreadable(name, content):
    @case(".", name=name)
    def build(folder, outside):
        write_model(folder, arrays=content)


unreadable("weights that are empty", b"")
unreadable("weights that are text", b"hello" * 100)
unreadable("weights that are a pickle", pickle.dumps([1]))
unreadable("weights cut in half", weights()[: len(weights()) // 2])
unreadable("weights with a damaged root", weights()[:60] + b"\xff" * 200 + weights()[260:])


def packed(file, outside):
    file.create_dataset(KERNEL, data=file["hidden"][()], compression="gzip")


def extra_arrays(file, outside):
    file["optimizer/vars/0"] = np.zeros(3)
    file["layers/lambda/vars/0"] = h5py.ExternalLink(str(outside / "secret.h5"), KERNEL)


def view_of_another_file(file, outside):
    layout = h5py.VirtualLayout((3072, 4), np.float32)
    layout[:] = h5py.VirtualSource(str(outside / "secret.h5"), KERNEL, (3072, 4))
    file.create_virtual_dataset(KERNEL, layout)


def stored_in_another_file(file, outside):
    places = [(str(outside / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset(KERNEL, (3072, 4), np.float32, external=places)


def references(file, outside):
    file.create_dataset(KERNEL, (3072, 4), h5py.ref_dtype)[0, 0] = file["layers"].ref


def link(path):
    return lambda file, outside: h5py.ExternalLink(str(outside / "secret.h5"), path)


LINK, NO_DATASET = "missing, or a link", "not a dataset of this file"
replaced(GOOD, "arrays packed by HDF5", packed)
replaced(GOOD, "arrays of another precision", lambda file, _: file["hidden"][()].astype(np.float64))
weighted(GOOD, "arrays that are not needed", extra_arrays)
replaced(LINK, "an array missing", lambda file, _: None)
replaced(LINK, "an array behind a soft link", lambda file, _: h5py.SoftLink("/hidden"))
replaced(LINK, "an array in another file", link(KERNEL))
replaced(LINK, "all arrays in another file", link("layers"), of="layers")
replaced(NO_DATASET, "an array that is a view of another file", view_of_another_file)
replaced(NO_DATASET, "an array stored in another file", stored_in_another_file)
replaced(NO_DATASET, "a group in the place of an array", lambda file, _: file.create_group("new"))
replaced(".", "an array in the place of a group", lambda file, _: np.zeros(3), of="layers")
replaced(".", "a type in the place of a group", lambda file, _: np.dtype("f4"), of="layers")
replaced(".", "a group that contains itself", lambda file, _: file["layers"], of="layers/dense")
replaced(".", "an array of references", references)
replaced(
    ".",
    "an array of no bytes that claims to be large",
    lambda file, _: file.create_dataset("new", (10**6, 10**6), np.float32),
)


def stored_as(reason, name, content):
    replaced(reason, name, lambda file, _: file.create_dataset("new", data=content))


stored_as("has shape (4, 3072)", "an array transposed", np.zeros((4, 3072), np.float32))
stored_as("has shape (12288,)", "an array flattened", np.zeros(12288, np.float32))
stored_as("has shape ()", "an array that is one number", np.float32(1))
stored_as(".", "an array of integers", np.zeros((3072, 4), np.int32))
stored_as(".", "an array of complex numbers", np.zeros((3072, 4), np.complex64))
stored_as(".", "an array of text", np.full((3072, 4), b"x"))
stored_as(".", "an array of records", np.zeros((3072, 4), [("a", "f4"), ("b", "f4")]))
stored_as("has shape None", "an array of nothing", h5py.Empty("f4"))
stored_as(".", "an array that is no number", np.full((3072, 4), np.nan, np.float32))
stored_as(".", "an array that is infinite", np.full((3072, 4), np.inf, np.float32))
stored_as(".", "an array beyond 32 bits", np.full((3072, 4), 1e300))


def zeros_packed(size):
    """Return zeros as zlib would pack them, without packing them all."""
    block, blocks = 1 << 20, size >> 20
    packer = zlib.compressobj(9)
    packer.compress(bytes(block))
    start = zlib.compressobj(9)
    head = start.compress(bytes(block)) + start.flush(zlib.Z_FULL_FLUSH)
    again = start.compress(bytes(block)) + start.flush(zlib.Z_FULL_FLUSH)
    # The checksum of n zeros: 1 below, n above, each modulo 65,521.
    check = ((blocks * block) % 65_521) << 16 | 1
    return head + again * (blocks - 1) + b"\x03\x00" + struct.pack(">I", check)


def one_chunk_of_1_5_gb(file, outside):
    options = {"maxshape": (None, None), "chunks": (3072, 122_880), "compression": "gzip"}
    made = file.create_dataset(KERNEL, (3072, 4), np.float32, **options)
    made.id.write_direct_chunk((0, 0), zeros_packed(3072 * 122_880 * 4))


replaced(".", "an array in one chunk of 1.5 GB packed", one_chunk_of_1_5_gb)


# The run's config, which the net is built from.


def claiming(reason, name, /, **parts):
    @case(reason, name=name)
    def build(folder, outside):
        content = facts(*TINY)
        for part, keys in parts.items():
            known = content["config"][part]
            content["config"][part] = {**known, **keys} if isinstance(known, dict) else keys
        write_json(folder, "run.json", content)
        write_model(folder)


claiming(".", "a net of 400 million parameters", model={"hidden": [30_000, 10_000]})
claiming(".", "a net of 10**18 parameters", model={"hidden": [10**9, 10**9]})
claiming(".", "a net of 20,000 layers", model={"hidden": [1] * 20_000})
claiming(".", "a net of other widths", model={"hidden": [5]})
claiming(".", "a net with more layers than arrays", model={"batch_norm": True})
claiming(".", "a choice that is a target", optimizer={"_target_": "os.system"})
claiming(".", "an unknown choice", activation={"name": "__import__('os').system('touch pwned')"})
claiming(".", "an interpolation", name="${oc.env:SECRET_OF_THE_USER}", tags="${oc.env:HOME}")
claiming(".", "control codes", initializer={"name": "\x1b[31mred\n  to do:    rm\u202e"})
claiming(".", "a very long choice", initializer={"name": "x" * 900_000})
claiming(GOOD, "a device that this machine lacks", runtime={"device": "gpu"})
