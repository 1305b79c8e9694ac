"""``python -m remerge`` is the command ``remerge``."""

from remerge.commands import main

if __name__ == "__main__":
    main()
