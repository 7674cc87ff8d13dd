"""Certificates, tokens and the doctor, from the command line."""

from pathlib import Path

import pytest

from quorate.cli import main
from tests.quorate.cli.test_up import write_cluster


def test_certificates_are_made_once_and_rotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_cluster(tmp_path)
    assert main(["certs", "create", str(file)]) == 0
    out, error = capsys.readouterr()
    assert {Path(line).name for line in out.splitlines()} >= {"ca.pem", "a.pem", "a.key", "admin.pem"}
    assert "tls:" in error
    before = (tmp_path / "certs" / "a.pem").read_bytes()
    assert main(["certs", "create", str(file)]) == 1
    assert "never overwritten" in capsys.readouterr().err
    assert (tmp_path / "certs" / "a.pem").read_bytes() == before
    assert main(["certs", "rotate", str(file)]) == 0
    assert (tmp_path / "certs" / "a.pem").read_bytes() != before


def test_the_told_tls_section_is_one_the_file_understands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from quorate.node.config import load

    file = write_cluster(tmp_path)
    main(["certs", "create", str(file)])
    section = capsys.readouterr().err.partition("\n\n")[2]
    assert str(tmp_path) not in section  # the same file serves every machine
    file.write_text(file.read_text() + section)
    config = load(file, "a")
    assert config.tls is not None
    assert config.tls.of("a").cert == tmp_path / "certs" / "a.pem"


def test_a_token_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_cluster(tmp_path)
    assert main(["tokens", "create", str(file), "ci"]) == 1
    assert "names no file for tokens" in capsys.readouterr().err
    file.write_text(file.read_text() + "tokens:\n  file: tokens.yaml\n")
    assert main(["tokens", "create", str(file), "ci"]) == 0
    token = capsys.readouterr().out.strip()
    assert token
    assert token not in (tmp_path / "tokens.yaml").read_text()
    assert main(["tokens", "create", str(file), "ci"]) == 1


def test_the_doctor_says_what_must_be_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_cluster(tmp_path)
    file.write_text(file.read_text() + "modules: [no.such.module]\n")
    assert main(["doctor", str(file)]) == 1
    out, error = capsys.readouterr()
    assert "no.such.module" in out
    assert "1 problem in" in error
