"""Settings of all tests."""

import hypothesis

# The first example of a run pays for imports; a deadline would measure those.
hypothesis.settings.register_profile("remerge", deadline=None, derandomize=True)
hypothesis.settings.load_profile("remerge")
