"""Alerts and the queue of their messages (R16)."""

from typing import Any

from peewee import SQL, BigIntegerField, CompositeKey, Database, IntegerField, Model, TextField


class Alert(Model):
    alert_id = TextField(primary_key=True)
    condition = TextField()
    subject = TextField()
    detail = TextField()
    state = TextField()
    began_at_ms = BigIntegerField()
    seen_at_ms = BigIntegerField()
    count = IntegerField()
    calm_since_ms = BigIntegerField(null=True)
    fired_at_ms = BigIntegerField(index=True)
    told_at_ms = BigIntegerField()
    count_told = IntegerField()
    repeats = IntegerField()
    acknowledged_at_ms = BigIntegerField(null=True)
    acknowledged_by = TextField()
    escalated_at_ms = BigIntegerField(null=True, index=True)
    escalations = IntegerField()
    ended_at_ms = BigIntegerField(null=True)

    class Meta:
        table_name = "alerts"


Alert.add_index(Alert.index(Alert.fired_at_ms, where=SQL("state = 'firing'"), name="alerts_firing"))


class Message(Model):
    message_id = TextField()
    channel = TextField()
    kind = TextField()
    severity = TextField()
    alert_id = TextField()
    title = TextField()
    body = TextField()
    created_at_ms = BigIntegerField(index=True)
    state = TextField()
    attempts = IntegerField()
    settled_at_ms = BigIntegerField(null=True)
    error = TextField()

    class Meta:
        table_name = "alert_messages"
        primary_key = CompositeKey("message_id", "channel")


Message.add_index(Message.index(Message.created_at_ms, where=SQL("state = 'queued'"), name="messages_queued"))

MODELS = (Alert, Message)


def up(migrator: Any, db: Database) -> None:
    with db.bind_ctx(MODELS):
        db.create_tables(MODELS, safe=False)


def down(migrator: Any, db: Database) -> None:
    with db.bind_ctx(MODELS):
        db.drop_tables(MODELS)
