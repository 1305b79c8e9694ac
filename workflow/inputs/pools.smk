"""What a pool of checkpoints is; each function is named after what it returns."""

from types import SimpleNamespace


def pools_where(condition):
    """The names of the pools that meet a condition."""
    return [name for name, pool in settings.pools.items() if condition(pool)]


def architecture_of(wildcards):
    """The name of a pool's architecture."""
    return settings.pools[wildcards.pool].architecture


def size_of(wildcards):
    """The side in pixels of the images that a pool's encoders take."""
    return settings.pools[wildcards.pool].image_size


def seed_of(wildcards):
    """What a pool's training, draws and adaptation are seeded with."""
    return settings.pools[wildcards.pool].seed


def frozen_entries_of(wildcards):
    """How many parameters beside the encoder the authors of a pool's checkpoints flatten along with it."""
    return settings.pools[wildcards.pool].frozen_entries


def origin_of_pool(wildcards):
    """Where a pool's checkpoints come from."""
    return settings.pools[wildcards.pool].origin


def seeds_of(wildcards):
    """The pools that differ from one in nothing but the seed, itself among them, with their seeds."""
    return settings.families[wildcards.pool]


def of_all_seeds(files_of):
    """A function that returns a suite's files of all pools that differ in nothing but the seed, pool after pool."""
    return lambda wildcards: [
        file
        for pool in seeds_of(wildcards)
        for file in files_of(SimpleNamespace(pool=pool, suite=wildcards.suite))
    ]


def seeded_of(wildcards):
    """What another seed changes, in words."""
    return settings.pools[wildcards.pool].seeded
