"""Where the keys are that seal followers' secrets in the ledger (design section 6). Never in argv."""

import re
from collections.abc import Mapping
from pathlib import Path

from model.ledger.secrets import SealingKeys, generate_key, key_name
from supervision.exits import ExitCode, OperatorError
from supervision.private_files import FileUnreadable, read_private_text, replace_private_text
from supervision.redaction import register_secret

KEYS_VARIABLE = "COPYTRADER_SEALING_KEYS"
FILE_VARIABLE = "COPYTRADER_SEALING_KEY_FILE"
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
CREDENTIAL = "sealing_keys"


class NoSealingKeys(OperatorError):
    """There is no sealing key, or what is there is none."""

    exit_code = ExitCode.BAD_CONFIG


def find_sealing_keys(env: Mapping[str, str], key_file: Path | None = None) -> SealingKeys:
    """Return the keys, newest first, from the first place that is there.

    The places: `COPYTRADER_SEALING_KEYS`, the file named by `COPYTRADER_SEALING_KEY_FILE`, ``key_file``
    (`[secrets] key_file`), `$CREDENTIALS_DIRECTORY/sealing_keys`. A place that is named and cannot be read
    is an error: another key would make every secret in the ledger unreadable.

    Raises: NoSealingKeys, FileUnreadable, UnsafePermissions; none of them shows a key.
    """
    text, place = _first_text(env, key_file)
    keys = [key for key in re.split(r"[,\s]+", text) if key]
    for key in keys:
        register_secret(key)
    try:
        return SealingKeys(keys)
    except ValueError as error:
        raise NoSealingKeys(f"{place}: {error}", hint="`copytrader init` writes one") from None


def add_sealing_key(env: Mapping[str, str], key_file: Path | None = None) -> tuple[Path, str]:
    """Put a new key before the others into the key file; return the file and the new key's name.

    Raises: NoSealingKeys where the keys are not in a file of ours; FileUnreadable, UnsafePermissions.
    """
    find_sealing_keys(env, key_file)
    if KEYS_VARIABLE in env:
        raise NoSealingKeys(f"the sealing keys are in {KEYS_VARIABLE}", hint=_BY_HAND)
    path = Path(env[FILE_VARIABLE]).expanduser() if env.get(FILE_VARIABLE) else key_file
    if path is None:
        raise NoSealingKeys(f"the sealing keys are a credential of the service, {CREDENTIAL}", hint=_BY_HAND)
    key = generate_key()
    register_secret(key)
    replace_private_text(path, f"{key}\n{read_private_text(path)}\n")
    return path, key_name(key)


def _first_text(env: Mapping[str, str], key_file: Path | None) -> tuple[str, str]:
    if KEYS_VARIABLE in env:
        return env[KEYS_VARIABLE], KEYS_VARIABLE
    if env.get(FILE_VARIABLE):
        path = Path(env[FILE_VARIABLE]).expanduser()
        return read_private_text(path), str(path)
    if key_file is not None:
        return read_private_text(key_file), str(key_file)
    if env.get(CREDENTIALS_VARIABLE):
        path = Path(env[CREDENTIALS_VARIABLE]) / CREDENTIAL
        try:  # the service manager guards its own directory, and shows modes of its own making
            return read_private_text(path, check_mode=False), str(path)
        except FileUnreadable as error:
            raise NoSealingKeys(error.message, hint=_PLACES) from None
    raise NoSealingKeys("no sealing key for the followers' secrets", hint=_PLACES)


_BY_HAND = "make one with `copytrader init`, and put it there yourself before the others, with a comma"
_PLACES = (
    f"set [secrets] key_file, {FILE_VARIABLE} or {KEYS_VARIABLE}, or give the service the credential "
    f"{CREDENTIAL}; `copytrader init` writes a key"
)
