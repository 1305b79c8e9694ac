"""Methods by kind, and the parameters that rules receive."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from remerge.config.models import Config
from remerge.merging.assemblies import ASSEMBLIES
from remerge.methods.parameters import Method
from remerge.methods.registry import ALGORITHMS, MERGING, WITH_PARTS, Kind
from remerge.scoring.held_out import looks_at

SHOWN = {"label", "algorithm", "granularity"}
"""What figures say of a method, beside its family of looks."""


@dataclass(frozen=True)
class Methods:
    """The methods of a configuration."""

    config: Config

    def of_algorithm(self, algorithm: str) -> list[str]:
        """Return the methods of an algorithm."""
        return [name for name, method in self.config.methods.items() if method.algorithm == algorithm]

    def of_kind(self, *kinds: Kind) -> list[str]:
        """Return the methods of some kinds."""
        return list(self.config.methods_of_kind(*kinds))

    def merging(self) -> list[str]:
        """Return the methods that merge task vectors into one encoder."""
        return self.of_kind(*MERGING)

    def making(self) -> list[str]:
        """Return the methods that make a merged result: one encoder, or one with a part for every task."""
        return self.of_kind(*MERGING, *WITH_PARTS)

    def with_parts(self) -> list[str]:
        """Return the methods that keep a part for every task."""
        return self.of_kind(*WITH_PARTS)

    def with_encoder(self) -> list[str]:
        """Return the methods whose scores are of one merged, or jointly trained, result on all tasks."""
        return self.of_kind("joint", *MERGING, *WITH_PARTS)

    def tuned(self) -> list[str]:
        """Return the methods whose scaling is chosen on validation images."""
        return [name for name, method in self.config.methods.items() if method.is_tuned]

    def scaled(self) -> list[str]:
        """Return the methods that have a scaling."""
        return [name for name, method in self.config.methods.items() if "scaling" in method.parameters()]

    def swept(self) -> list[str]:
        """Return the methods with a curve of accuracy against scaling; of those that differ in it alone, the first."""
        first: dict[tuple[str, str], str] = {}
        for name in self.scaled():
            if name in self.config.figures.without_curve:
                continue
            method = self.config.methods[name]
            first.setdefault((method.algorithm, repr(method.merging_parameters())), name)
        return list(first.values())

    def learning(self, granularity: str | None = None) -> list[str]:
        """Return the methods that learn coefficients in this run, per ``task``, per ``layer``, or any."""
        learning = [name for name, method in self.config.methods.items() if method.learns]
        return [name for name in learning if granularity in (None, self.parameters(name).get("granularity"))]

    def plain_task_arithmetic(self) -> list[str]:
        """Return the methods that are Task Arithmetic with a fixed scaling."""
        return [name for name in self.of_algorithm("task_arithmetic") if name not in self.tuned()]

    def of_pool(self, pool: str) -> dict[str, Method]:
        """Return the methods that a pool can be scored by: without training images none is trained on all tasks."""
        without = [] if self.config.pools[pool].is_trained else self.of_kind("joint")
        return {name: method for name, method in self.config.methods.items() if name not in without}

    def names(self, pool: str) -> list[str]:
        """Return the names of the methods that a pool can be scored by."""
        return list(self.of_pool(pool))

    def algorithm(self, method: str) -> str:
        """Return a method's algorithm."""
        return self.config.methods[method].algorithm

    def parameters(self, method: str) -> dict[str, Any]:
        """Return a method's algorithm and parameters as plain values: the method runs again when one changes."""
        return {"algorithm": self.algorithm(method), **self._parameters(self.config.methods[method])}

    def _parameters(self, method: Method) -> dict[str, Any]:
        """A method's parameters, with those of a method that it adapts in place of its name."""
        parameters = method.parameters()
        return parameters | ({"around": self.parameters(method.adapts)} if method.adapts else {})

    def adapted(self, method: str) -> str:
        """Return the method whose encoder another one adapts."""
        return self.config.methods[method].adapts

    def modules(self, method: str) -> list[str]:
        """Return the library files that a script loads for a method."""
        return [f"remerge/methods/{algorithm}.py" for algorithm in self.config.methods[method].algorithms]

    def gpus(self, method: str, most: int) -> int:
        """Return how many GPUs, of as many as there may be, merging by a method asks for."""
        decomposes = any(ALGORITHMS[algorithm].decomposes for algorithm in self.config.methods[method].algorithms)
        return most if decomposes else 0

    def by_svds(self) -> list[str]:
        """Return the methods that merge by the singular value decompositions of task vectors."""
        return [name for name, method in self.config.methods.items() if method.svd_layout]

    def svd_layouts(self) -> list[str]:
        """Return how these take attention's projections apart."""
        return sorted({self.config.methods[name].svd_layout for name in self.by_svds()})

    def assembly(self, method: str) -> str:
        """Return what makes encoders of a method's files."""
        return ALGORITHMS[self.algorithm(method)].assembly

    def assembly_modules(self, method: str) -> list[str]:
        """Return the library file that a script loads to make encoders of a method's files, if they have parts."""
        return [library_file(ASSEMBLIES[assembly].module)] if (assembly := self.assembly(method)) != "plain" else []

    def files(self, method: str) -> list[str]:
        """Return the files of the user's that a method merges by."""
        return self.config.methods[method].files

    def learning_parameters(self, method: str) -> dict[str, Any]:
        """Return the parameters that a method's coefficients depend on, beside the task vectors that they scale."""
        return self.config.methods[method].learning_parameters()

    def images(self, method: str) -> int:
        """Return how many images per task a method collects statistics from."""
        return int(self.parameters(method)["images"])

    def joint_training(self, method: str) -> dict[str, Any]:
        """Return how a method trains one encoder on all tasks."""
        return self.config.training.finetuning.model_dump() | {"steps": self.parameters(method)["steps"]}

    def described(self, pool: str) -> dict[str, dict[str, Any]]:
        """Return every method's algorithm, label and parameters as plain values, in the order of tables."""
        return {name: asdict(method) | self._parameters(method) for name, method in self.of_pool(pool).items()}

    def unlabelled(self, pool: str) -> dict[str, dict[str, Any]]:
        """Return the same without labels, by which nothing is judged."""
        return {name: self.parameters(name) for name in self.of_pool(pool)}

    def rows(self, pool: str) -> dict[str, dict[str, Any]]:
        """Return what a table says of every method besides its scores."""
        return {
            name: {"label": method.label, "algorithm": method.algorithm, "uses": self._uses(pool, method)}
            for name, method in self.of_pool(pool).items()
        }

    def _uses(self, pool: str, method: Method) -> list[str]:
        """The data that a method looks at beyond a pool's checkpoints."""
        data = looks_at(ALGORITHMS[method.algorithm].needs, method.is_tuned, self.config.pools[pool].holds_out)
        adapted = self._uses(pool, self.config.methods[method.adapts]) if method.adapts else []
        return list(dict.fromkeys([*adapted, *data]))

    def looks(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return what decides how methods look in figures."""
        described = {name: asdict(self.config.methods[name]) for name in names}
        return {
            name: {key: method[key] for key in method if key in SHOWN} | self._look(name)
            for name, method in described.items()
        }

    def described_with_looks(self, pool: str) -> dict[str, dict[str, Any]]:
        """Return every method's algorithm, label, parameters and look."""
        return {name: described | self._look(name) for name, described in self.described(pool).items()}

    def _look(self, method: str) -> dict[str, str]:
        return {"looks": self.config.looks_of(method)}


def library_file(module: str) -> str:
    """Return the library file of a module that a script loads by its name."""
    return Path(*module.split(".")).with_suffix(".py").as_posix()
