"""Laws of the history's file."""

import os
import subprocess
import sys
from pathlib import Path

WRITE_A_LOT = """
import sys
from hashlib import sha256
from pathlib import Path
from quorate.node.history.file import open_for_writing
from quorate.node.history.writing import Batch, Writing
from tests.node.history.rows import row

writing = Writing(open_for_writing(Path(sys.argv[1])))
for first in range(1, 8001, 1000):
    # Ids in no order: each batch touches pages all over the index.
    ids = {end: sha256(str(end).encode()).hexdigest()[:26] for end in range(first, first + 1000)}
    rows = [row(end, id=id, key=id, result=bytes(400)) for end, id in ids.items()]
    writing.execute(Batch(rows, [(first, first + 999)], 0))
writing.close()
"""


def test_nothing_is_written_outside_the_data_folder(tmp_path: Path) -> None:
    """Large batches need room for undoing: in memory, not in the machine's temporary folder, where records would be
    for anybody to find and a full disk would stop the peer.
    """
    temporary, data = tmp_path / "temporary", tmp_path / "data"
    temporary.mkdir()
    data.mkdir()
    # A time long ago: making a file in the folder, even one deleted at once, changes it.
    os.utime(temporary, ns=(0, 0))
    environment = {**os.environ, "TMPDIR": str(temporary), "SQLITE_TMPDIR": str(temporary)}
    subprocess.run([sys.executable, "-c", WRITE_A_LOT, str(data / "history.sqlite")], env=environment, check=True)
    assert (data / "history.sqlite").stat().st_size > 0
    assert temporary.stat().st_mtime_ns == 0
