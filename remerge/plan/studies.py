"""Studies: the tasks, images, methods and modules of each, and its parts."""

from dataclasses import dataclass
from typing import Any

from remerge.config.models import Config
from remerge.plan.images import Images
from remerge.plan.merging import Merging, svds, task_vectors
from remerge.plan.methods import Methods, library_file
from remerge.plan.scores import heads
from remerge.studies.kind import figure_of, load, module_of


@dataclass(frozen=True)
class Studies:
    """The studies of a configuration."""

    config: Config
    images: Images
    methods: Methods
    merging: Merging

    def tasks(self, study: str) -> list[str]:
        """Return the tasks that a study merges and scores."""
        settings = self.config.studies[study]
        return settings.tasks_in(self.config.suites[settings.suite])

    def task_vectors(self, pool: str, study: str) -> list[str]:
        """Return the task vectors that a study merges."""
        return task_vectors(pool, self.tasks(study))

    def svds(self, pool: str, study: str) -> list[str]:
        """Return the decompositions of these, if a method of the study merges by them."""
        merges_by_them = set(self.methods.by_svds()) & set(self.config.studies[study].applied)
        return svds(pool, self.tasks(study)) if merges_by_them else []

    def heads(self, pool: str, study: str) -> list[str]:
        """Return the zero-shot heads of a study's tasks."""
        return heads(pool, self.tasks(study))

    def test_images(self, pool: str, study: str, part: str) -> list[str]:
        """Return the images that a part of a study is scored on, and adapts to: of one corruption, or clean."""
        return self.images.of_tasks(pool, self.tasks(study), self.config.studies[study].images_of(part))

    def validation_images(self, pool: str, study: str) -> list[str]:
        """Return the images that a study chooses by."""
        settings = self.config.studies[study]
        return self.images.of_suite(pool, settings.suite, "validation") if settings.looks_at_validation else []

    def drawn(self, study: str) -> int | None:
        """Return how many images of each task and split a study draws; None where it takes all."""
        return self.config.studies[study].images

    def gate(self, pool: str, study: str) -> str | list[str]:
        """Return the verdict on zero-shot accuracy without which a study does not begin."""
        return self.merging.gate(pool, self.config.studies[study].suite)

    def settings(self, study: str, part: str) -> dict[str, Any]:
        """Return the settings that a part of a study depends on."""
        return self.config.studies[study].settings_of(part)

    def all_settings(self, study: str) -> dict[str, Any]:
        """Return all settings of a study."""
        return self.config.studies[study].model_dump()

    def kind(self, study: str) -> str:
        """Return a study's kind."""
        return self.config.studies[study].kind

    def caption(self, study: str) -> str:
        """Return what to see in a study's figure."""
        return load(self.kind(study)).CAPTION

    def parameters(self, study: str) -> dict[str, dict[str, Any]]:
        """Return the algorithms and parameters of the methods that a study applies."""
        described, methods = self.config.studies[study], self.config.methods
        return {
            name: self.methods.parameters(name) | (described.learning if methods[name].learns else {})
            for name in described.applied
        }

    def labels(self, study: str) -> dict[str, str]:
        """Return the labels of the methods that a study applies."""
        return {name: self.config.methods[name].label for name in self.config.studies[study].applied}

    def looks(self, study: str) -> dict[str, dict[str, Any]]:
        """Return a study's methods and those before them, on which their looks depend."""
        shown, names = self.config.studies[study].applied, list(self.config.methods)
        last = max((names.index(name) for name in shown), default=-1)
        # The others' labels are not drawn.
        return {
            name: look if name in shown else look | {"label": name}
            for name, look in self.methods.looks(names[: last + 1]).items()
        }

    def code(self, study: str) -> list[str]:
        """Return the library code that a script loads to make a study's encoders by its kind and methods."""
        methods = self.config.studies[study].applied
        modules = {file for name in methods for file in self.methods.modules(name)}
        return [*self._code(study, "variants"), *sorted(modules)]

    def table_code(self, study: str) -> list[str]:
        """Return the library code that a script loads to make a study's table."""
        return self._code(study, "Settings", "table", "NOTE")

    def _code(self, study: str, *names: str) -> list[str]:
        """Of the module of a study's kind, what some of its functions and constants need."""
        return [f"{library_file(module_of(self.kind(study)))}:{name}" for name in names]

    def figure_code(self, study: str) -> list[str]:
        """Return the library file that draws a study's table."""
        return [library_file(figure_of(self.kind(study)))]

    def kinds(self, suite: str) -> dict[str, str]:
        """Return the kind of each study of a suite."""
        return {study: self.kind(study) for study in self.of_suite(suite)}

    def encoders_code(self, suite: str) -> list[str]:
        """Return the library code that tells the encoders of a suite's studies apart."""
        kinds = sorted(set(self.kinds(suite).values()))
        return [f"{library_file(module_of(kind))}:encoders" for kind in kinds if hasattr(load(kind), "encoders")]

    def files(self, study: str) -> list[str]:
        """Return the Python files of the user's methods that a study applies."""
        return sorted({file for name in self.config.studies[study].applied for file in self.methods.files(name)})

    def scores(self, pool: str, study: str) -> list[str]:
        """Return the scores of every part of a study."""
        return [f"results/{pool}/studies/{study}/{part}.csv" for part in self.config.studies[study].parts]

    def of_suite(self, suite: str) -> list[str]:
        """Return the studies of a suite."""
        return [name for name, study in self.config.studies.items() if study.suite == suite]

    def scores_of_suite(self, pool: str, suite: str) -> list[str]:
        """Return the scores of every part of every study of a suite."""
        return [path for study in self.of_suite(suite) for path in self.scores(pool, study)]

    def studies_of_scores(self, suite: str) -> list[str]:
        """Return the study of each of these files."""
        return [study for study in self.of_suite(suite) for _ in self.config.studies[study].parts]

    def figures(self) -> list[str]:
        """Return the figure of every study of every pool."""
        return self._shown("figures", "svg")

    def tables(self) -> list[str]:
        """Return the table of every study of every pool."""
        return self._shown("tables", "csv")

    def _shown(self, folder: str, suffix: str) -> list[str]:
        return [
            f"results/{pool}/{folder}/{study.suite}/{name}.{suffix}"
            for pool in self.config.pools
            for name, study in self.config.studies.items()
        ]
