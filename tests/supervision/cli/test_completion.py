"""Completion in the shell: the script is the shell's own language, and completing answers with our words."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from supervision.cli.app import run_command

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("shell", "words"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete ")]
)
def test_a_script_for_each_shell(shell: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert words in script
    assert "_COPYTRADER_COMPLETE" in script


def test_another_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["completion", "cmd"]) == 64


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_commands_and_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    program = tmp_path / "copytrader"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from supervision.cli import main\nmain()\n"
    )
    program.chmod(0o755)
    asked = (
        "source script; COMP_WORDS=(copytrader followers cl); COMP_CWORD=2; _copytrader_completion "
        'copytrader cl followers; echo "${COMPREPLY[@]}"'
    )

    done = subprocess.run(
        ["bash", "--norc", "-c", asked],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["close-only"]
