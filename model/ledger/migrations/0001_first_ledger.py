"""The first ledger: changes, copies, orders, holdings, followers, meta, requests."""

from typing import Any

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CompositeKey,
    Database,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
)


class Change(Model):
    id = BigAutoField()
    change_id = TextField(unique=True)
    symbol = TextField()
    position_idx = SmallIntegerField()
    venue_time_ms = BigIntegerField()
    seq = BigIntegerField()
    body = TextField()

    class Meta:
        table_name = "changes"
        indexes = ((("symbol", "position_idx", "venue_time_ms"), False),)


class Copy(Model):
    id = BigAutoField()
    copy_id = TextField()
    change_id = TextField()
    follower = TextField()
    state = TextField()
    reason = TextField(null=True)
    symbol = TextField()
    position_idx = SmallIntegerField()
    change_class = TextField(column_name="class")
    client_order_id = TextField()
    claimed_at_ms = BigIntegerField()
    finished_at_ms = BigIntegerField(null=True)
    superseded_by = TextField(null=True)
    explain = TextField(null=True)

    class Meta:
        table_name = "copies"
        indexes = ((("change_id", "follower"), True), (("claimed_at_ms", "copy_id"), False))


_OPEN = SQL("state = 'claimed'")
Copy.add_index(Copy.index(Copy.copy_id, unique=True, where=_OPEN, name="copies_open"))
Copy.add_index(Copy.index(Copy.follower, where=_OPEN, name="copies_open_of_follower"))


class Order(Model):
    copy_no = BigIntegerField()
    part = IntegerField()
    attempt = IntegerField()
    client_order_id = TextField()
    symbol = TextField()
    position_idx = SmallIntegerField()
    side = TextField()
    quantity = TextField()
    price = TextField(null=True)
    reduce_only = BooleanField()
    state = TextField()
    filled = TextField()
    average_price = TextField(null=True)
    order_id = TextField()
    detail = TextField()
    sent_at_ms = BigIntegerField(null=True)
    settled_at_ms = BigIntegerField(null=True)

    class Meta:
        table_name = "orders"
        primary_key = CompositeKey("copy_no", "part", "attempt")


class Holding(Model):
    follower = TextField()
    symbol = TextField()
    position_idx = SmallIntegerField()
    owned = BooleanField()
    target = TextField()
    master_size = TextField()
    change_id = TextField()
    skipped = TextField(null=True)

    class Meta:
        table_name = "holdings"
        primary_key = CompositeKey("follower", "symbol", "position_idx")


class Follower(Model):
    name = TextField(primary_key=True)
    exchange = TextField()
    settings = TextField()
    secrets = TextField()
    joined_at_ms = BigIntegerField()
    mode = TextField()

    class Meta:
        table_name = "followers"


class Meta(Model):
    key = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "meta"


class Request(Model):
    request_id = TextField(primary_key=True)
    method = TextField()
    parameters = TextField()
    reason = TextField()
    received_at_ms = BigIntegerField(index=True)
    answer = TextField(null=True)

    class Meta:
        table_name = "requests"


MODELS = (Change, Copy, Order, Holding, Follower, Meta, Request)


def up(migrator: Any, db: Database) -> None:
    with db.bind_ctx(MODELS):
        db.create_tables(MODELS, safe=False)


def down(migrator: Any, db: Database) -> None:
    with db.bind_ctx(MODELS):
        db.drop_tables(MODELS)
