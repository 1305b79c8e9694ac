"""The plan: files, parameters and resources of every job, by name, independent of Snakemake.

Functions take names (pool, suite, method, task, ...) and return paths relative to the folder that Snakemake runs in.
If a file does not exist for a name, such as the validation sweep of a method that is not tuned, they return an empty
list.
"""

from collections.abc import Mapping

from remerge.config.models import Config
from remerge.plan.downloads import Downloads, Pins
from remerge.plan.figures import Figures
from remerge.plan.images import Images
from remerge.plan.merging import Merging
from remerge.plan.methods import Methods
from remerge.plan.pools import Pools
from remerge.plan.pretraining import Pretraining, Shipped
from remerge.plan.report import Report
from remerge.plan.resources import Needs, Resources
from remerge.plan.scores import Scores
from remerge.plan.studies import Studies
from remerge.plan.tables import Tables
from remerge.plan.tasks import Tasks
from remerge.plan.texts import Texts
from remerge.tasks.folder import FolderSummary

__all__ = ["Plan"]


class Plan:
    """What a configuration makes, by stage."""

    def __init__(
        self,
        config: Config,
        *,
        folders: Mapping[str, FolderSummary],
        needs: Needs,
        pins: Pins | None = None,
        published: str = "published",
        shipped: Shipped | None = None,
    ) -> None:
        """Plan a configuration.

        Args:
            config: The configuration.
            folders: Summaries of the folders that tasks are read from, by task.
            needs: Resources of each kind of work, the content of ``workflow/resources.yaml``.
            pins: The content of the lock file that the configuration names, if any.
            published: The folder with the published numbers.
            shipped: The pre-trained CLIP that comes with the repository, if one does.

        Raises:
            RemergeError: An entry of the registry of figures cannot be drawn.
        """
        self.pools = Pools(config)
        self.tasks = Tasks(config, folders)
        self.pretraining = Pretraining(config, self.tasks, shipped or Shipped())
        self.methods = Methods(config)
        self.downloads = Downloads(config, pins)
        self.images = Images(config, folders, self.pools, self.tasks)
        self.texts = Texts(self.pools, self.tasks)
        self.merging = Merging(config, self.tasks, self.methods)
        self.scores = Scores(config, self.tasks, self.methods)
        self.studies = Studies(config, self.images, self.methods, self.merging)
        self.tables = Tables(self.pools, self.tasks, self.methods)
        self.figures = Figures(
            config, self.pools, self.tasks, self.images, self.methods, self.merging, self.scores, published
        )
        self.report = Report(config, self.pools, self.tasks, self.images, self.methods, self.studies, self.figures)
        self.resources = Resources(config, needs)
        self.figures.check()
