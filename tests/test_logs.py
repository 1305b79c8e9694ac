"""Messages reach the log; progress bars do not fill it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_messages_and_tracebacks_reach_log_and_terminal(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "job.log"
    code = (
        "import sys\n"
        "from remerge.logs import log_to\n"
        "log_to(sys.argv[1])\n"
        "print('reading', file=sys.stderr)\n"
        "sys.stderr.write('\\r 50%')\n"
        "raise ValueError('the key')\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(log)], cwd=ROOT, capture_output=True, text=True)
    assert "reading" in run.stderr
    assert "50%" not in run.stderr
    assert "ValueError: the key" in run.stderr
    written = log.read_text()
    assert "reading" in written
    assert "ValueError: the key" in written
    assert "50%" not in written


def test_bars_within_bars_leave_no_empty_lines(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from remerge.logs import log_to\n"
        "from tqdm import tqdm\n"
        "log_to(sys.argv[1])\n"
        "for _ in tqdm(range(3), mininterval=0):\n"
        "    for _ in tqdm(range(3), mininterval=0):\n"
        "        pass\n"
        "print('first\\n\\nsecond', file=sys.stderr)\n"
    )
    log = tmp_path / "job.log"
    run = subprocess.run([sys.executable, "-c", code, str(log)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stderr == log.read_text() == "first\n\nsecond\n"
