"""The one coin of the sandbox, as Binance's wallet tells it ("All Coins' Information")."""

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.wire import ASSET, Row


def coin_rows(account: Account) -> list[Row]:
    """Return what may come and go: nothing of it does here, and nothing lies in the spot wallet."""
    network: Row = {
        "network": "ETH",
        "coin": ASSET,
        "name": "Ethereum (ERC20)",
        "isDefault": True,
        "depositEnable": False,
        "withdrawEnable": False,
        "depositDesc": "",
        "withdrawDesc": "",
        "withdrawFee": "4",
        "withdrawMin": "10",
        "withdrawMax": "40000000",
        "withdrawIntegerMultiple": "0.000001",
        "minConfirm": 6,
        "unLockConfirm": 64,
    }
    return [
        {
            "coin": ASSET,
            "name": "TetherUS",
            "free": "0",
            "locked": "0",
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": False,
            "trading": True,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "networkList": [network],
        }
    ]
