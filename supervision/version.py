"""Which version of the product this is."""

from importlib.metadata import PackageNotFoundError, version


def product_version() -> str:
    """Return the installed version, `0` when it runs from a bare checkout."""
    try:
        return version("copytrader")
    except PackageNotFoundError:
        return "0"
