"""The audit: where a copy wanted a leg that it left elsewhere, and what operators were told of drifts."""

from typing import Any

from peewee import BigIntegerField, CompositeKey, Database, Model, SmallIntegerField, TextField

from model.ledger.bulk import run_sql


class Drift(Model):
    follower = TextField()
    symbol = TextField()
    position_idx = SmallIntegerField()
    aspect = TextField()
    kind = TextField()
    cause = TextField()
    expected = TextField(null=True)
    actual = TextField()
    deviation = TextField()
    first_told_at_ms = BigIntegerField()
    told_at_ms = BigIntegerField()

    class Meta:
        table_name = "drifts"
        primary_key = CompositeKey("follower", "symbol", "position_idx", "aspect")


def up(migrator: Any, db: Database) -> None:
    run_sql(db, "ALTER TABLE holdings ADD COLUMN wanted TEXT")
    with db.bind_ctx((Drift,)):
        db.create_tables((Drift,), safe=False)


def down(migrator: Any, db: Database) -> None:
    with db.bind_ctx((Drift,)):
        db.drop_tables((Drift,))
    run_sql(db, "ALTER TABLE holdings DROP COLUMN wanted")
