"""The tables as the code sees them; `migrations/` makes them. Amounts are text, times integer ms.

Every key that grows with the ledger is led by the change or by the time, so that the thousand rows
of one change stand beside each other however many older ones there are: scattered keys made a claim
in a ledger of a million rows cost four times as much as in an empty one. So a copy's id, which is a
hash, is indexed only while the copy is open; afterwards it is found by a walk through a narrow index.
"""

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CompositeKey,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
)


class ChangeRow(Model):
    """A master change, whole, as JSON; the other columns find and order it."""

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


class CopyRecord(Model):
    """One follower's answer to one change. Its first order is planned by `client_order_id`."""

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
CopyRecord.add_index(CopyRecord.index(CopyRecord.copy_id, unique=True, where=_OPEN, name="copies_open"))
CopyRecord.add_index(CopyRecord.index(CopyRecord.follower, where=_OPEN, name="copies_open_of_follower"))


class OrderRow(Model):
    """One order of a copy, as last known."""

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


class HoldingRow(Model):
    """What the engine knows of one leg of one follower."""

    follower = TextField()
    symbol = TextField()
    position_idx = SmallIntegerField()
    owned = BooleanField()
    target = TextField()
    master_size = TextField()
    change_id = TextField()
    skipped = TextField(null=True)
    wanted = TextField(null=True)

    class Meta:
        table_name = "holdings"
        primary_key = CompositeKey("follower", "symbol", "position_idx")


class FollowerRecord(Model):
    """A follower: settings as JSON, secrets as sealed tokens in JSON."""

    name = TextField(primary_key=True)
    exchange = TextField()
    settings = TextField()
    secrets = TextField()
    joined_at_ms = BigIntegerField()
    mode = TextField()

    class Meta:
        table_name = "followers"


class DriftRow(Model):
    """What operators were last told of one aspect of a follower's leg (R15)."""

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


class MetaRow(Model):
    """Small things that must outlive the process, by name."""

    key = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "meta"


class RequestRecord(Model):
    """A mutating call of the control socket: written before it acts, answered once (section 5)."""

    request_id = TextField(primary_key=True)
    method = TextField()
    parameters = TextField()
    reason = TextField()
    received_at_ms = BigIntegerField(index=True)
    answer = TextField(null=True)

    class Meta:
        table_name = "requests"


class AlertRow(Model):
    """One episode of an alert condition (R16); `condition` is a name of the closed list."""

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


_FIRING = SQL("state = 'firing'")
AlertRow.add_index(AlertRow.index(AlertRow.fired_at_ms, where=_FIRING, name="alerts_firing"))


class AlertMessageRow(Model):
    """One message by one channel, from being queued to being delivered."""

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


_QUEUED = SQL("state = 'queued'")
AlertMessageRow.add_index(
    AlertMessageRow.index(AlertMessageRow.created_at_ms, where=_QUEUED, name="messages_queued")
)

TABLES = (
    *(ChangeRow, CopyRecord, OrderRow, HoldingRow, FollowerRecord, DriftRow, MetaRow, RequestRecord),
    *(AlertRow, AlertMessageRow),
)
