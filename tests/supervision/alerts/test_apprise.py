"""Telegram and Twilio through the real apprise, against local fakes of their HTTP APIs."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from actors.alert_channels import SEND_S, AppriseChannel, ChannelRefused
from model.alerts.message import ChannelKind, ChannelStatus
from supervision.alerting import ChannelUnusable, build_channels
from supervision.cli.app import run_command
from supervision.exits import ExitCode
from supervision.logs import start_logs
from supervision.redaction import REDACTOR
from supervision.settings import (
    LogFormat,
    LogLevel,
    LogSettings,
    NotifySettings,
    SecretMissing,
    load_settings,
)
from tests.supervision.alerts.house import AlertsHouse, MakeHouse, quarantined
from tests.supervision.alerts.services import (
    BAD_GATEWAY,
    CHAT,
    SECRET,
    SID,
    TELEGRAM_NO_CHAT,
    TELEGRAM_OK,
    TELEGRAM_TOO_MANY,
    TELEGRAM_UNAUTHORIZED,
    TOKEN,
    TWILIO_BAD_NUMBER,
    TWILIO_TOO_MANY,
    Answer,
    Services,
    running_services,
)

TELEGRAM = f"tgram://{TOKEN}/{CHAT}"
TWILIO = f"twilio://{SID}:{SECRET}@+15550100123/+15550199456"
CONFIG = """
[master]
api_key = "env:K"
api_secret = "env:S"
[notify]
urls = ["tgram://env:TG_TOKEN/987654321"]
sms = ["twilio://env:TW_SID:{file:twilio}@+15550100123/+15550199456"]
"""


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    from apprise.plugins.telegram import NotifyTelegram
    from apprise.plugins.twilio import NotifyTwilio

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running_services() as running:
        base = f"http://127.0.0.1:{running.port}"
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"{base}/bot")
        monkeypatch.setattr(NotifyTwilio, "notify_sms_url", base + "/2010-04-01/Accounts/{sid}/Messages.json")
        yield running


def telegram(url: str = TELEGRAM) -> AppriseChannel:
    return AppriseChannel("tgram", ChannelKind.MAIN, url, redact=REDACTOR.text)


def twilio(url: str = TWILIO) -> AppriseChannel:
    return AppriseChannel("twilio", ChannelKind.SMS, url, redact=REDACTOR.text)


async def test_telegram_gets_the_chat_and_the_text_as_it_is(services: Services) -> None:
    delivery = await telegram().send("CRITICAL a & b <c>", "x < 3 & y > 4\n_do_ *nothing*")

    assert delivery.delivered
    (message,) = services.messages
    assert str(message["chat_id"]) == CHAT
    assert message["parse_mode"] == "HTML"
    shown = message["text"].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("\r", "")
    assert "CRITICAL a & b <c>" in shown
    assert "x < 3 & y > 4\n_do_ *nothing*" in shown
    assert services.requests == [f"/bot{TOKEN}/sendMessage"]


async def test_twilio_gets_numbers_and_body_with_its_credentials(services: Services) -> None:
    delivery = await twilio().send("", "CRITICAL alice is quarantined. Ack: copytrader alerts ack 1234abcd")

    assert delivery.delivered
    assert services.sms == [
        {
            "From": "+15550100123",
            "To": "+15550199456",
            "Body": "CRITICAL alice is quarantined. Ack: copytrader alerts ack 1234abcd",
        }
    ]


@pytest.mark.parametrize(
    ("answer", "refused", "retry_after_s", "words"),
    [
        (TELEGRAM_UNAUTHORIZED, True, None, "Unauthorized"),
        (TELEGRAM_NO_CHAT, True, None, "chat not found"),
        (TELEGRAM_TOO_MANY, False, 7.0, "Too Many Requests: retry after 7"),
        (BAD_GATEWAY, False, None, "502"),
        (Answer(500, {}), False, None, "500"),
    ],
)
async def test_how_telegram_says_no(
    services: Services, answer: Answer, refused: bool, retry_after_s: float | None, words: str
) -> None:
    services.telegram[:] = [answer]

    delivery = await telegram().send("title", "body")

    assert (delivery.delivered, delivery.refused, delivery.retry_after_s) == (False, refused, retry_after_s)
    assert words in delivery.error
    assert TOKEN not in delivery.error


@pytest.mark.parametrize(
    ("answer", "refused", "words"),
    [(TWILIO_TOO_MANY, False, "Too Many Requests"), (TWILIO_BAD_NUMBER, True, "not valid")],
)
async def test_how_twilio_says_no(services: Services, answer: Answer, refused: bool, words: str) -> None:
    services.twilio[:] = [answer]

    delivery = await twilio().send("", "body")

    assert (delivery.delivered, delivery.refused) == (False, refused)
    assert words in delivery.error


async def test_a_wrong_twilio_token_is_a_refusal(services: Services) -> None:
    delivery = await twilio(TWILIO.replace(SECRET, SECRET[::-1])).send("", "body")

    assert (delivery.delivered, delivery.refused) == (False, True)
    assert "Authenticate" in delivery.error
    assert services.sms == []


async def test_nobody_there_is_no_refusal(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.telegram import NotifyTelegram

    monkeypatch.setattr(NotifyTelegram, "notify_url", "http://127.0.0.1:1/bot")

    delivery = await telegram().send("title", "body")

    assert (delivery.delivered, delivery.refused) == (False, False)
    assert "connection error" in delivery.error


async def test_a_service_that_does_not_answer_is_given_up_in_time_and_alone(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.alert_channels.SEND_S", 0.2)
    services.telegram[:] = [attrs_slow(TELEGRAM_OK), TELEGRAM_OK]
    channel = telegram()
    began = trio.current_time()

    first = await channel.send("title", "body")
    second = await channel.send("title", "body")  # its one thread still waits
    sms = await twilio().send("", "body")

    assert trio.current_time() - began < 2
    assert (first.delivered, first.error) == (False, "no answer within 0.2 s")
    assert not second.delivered
    assert sms.delivered
    assert SEND_S < 30


def attrs_slow(answer: Answer) -> Answer:
    return Answer(answer.status, answer.body, wait_s=3.0)


async def test_no_token_reaches_a_log_at_any_level(services: Services) -> None:
    from supervision.settings import Secret

    for value in (TOKEN, SECRET):
        Secret(value)
    out = io.StringIO()
    logs = start_logs(LogSettings(level=LogLevel.DEBUG, format=LogFormat.JSON), stream=out)
    services.telegram[:] = [TELEGRAM_UNAUTHORIZED]
    before = logging.getLogger("apprise").level
    try:
        for name in ("apprise", "urllib3", "requests"):
            logging.getLogger(name).setLevel(logging.DEBUG)  # as somebody might who looks for a fault
        await telegram().send("title", "body")
        await twilio().send("", "body")
    finally:
        for name in ("apprise", "urllib3", "requests"):
            logging.getLogger(name).setLevel(max(before, logging.WARNING))
        logs.close()

    text = out.getvalue()
    assert "Telegram POST URL" in text  # it was logged, and redacted
    assert not [secret for secret in (TOKEN, TOKEN.partition(":")[2], SECRET) if secret in text]


def configured(tmp_path: Path, text: str = CONFIG) -> NotifySettings:
    place = tmp_path / "twilio"
    place.write_text(SECRET)
    place.chmod(0o600)
    path = tmp_path / "copytrader.toml"
    path.write_text(text)
    return load_settings(path, {}).notify


async def test_channels_come_from_the_settings_with_secrets_from_environment_and_file(
    tmp_path: Path, services: Services
) -> None:
    configured(tmp_path)
    settings = load_settings(tmp_path / "copytrader.toml", {})

    channels = build_channels(settings, {"TG_TOKEN": TOKEN, "TW_SID": SID})
    for channel in channels:
        assert (await channel.send("", "hello")).delivered

    assert [(it.name, it.kind) for it in channels] == [
        ("tgram", ChannelKind.MAIN),
        ("twilio", ChannelKind.SMS),
    ]
    assert len(services.messages) == len(services.sms) == 1
    assert TOKEN not in repr(settings)


def test_a_url_that_cannot_be_used_is_told_at_the_start_without_showing_it(tmp_path: Path) -> None:
    configured(tmp_path)
    settings = load_settings(tmp_path / "copytrader.toml", {})

    with pytest.raises(SecretMissing, match=r"notify.urls\[0\]: env:TG_TOKEN"):
        build_channels(settings, {})
    with pytest.raises(ChannelUnusable, match=r"notify.urls\[0\]: apprise does not take") as caught:
        build_channels(settings, {"TG_TOKEN": "canary-no-token", "TW_SID": SID})
    assert "canary" not in str(caught.value)
    assert caught.value.exit_code is ExitCode.BAD_CONFIG
    with pytest.raises(ChannelRefused):
        AppriseChannel("x", ChannelKind.MAIN, "nonsense://x")


def test_check_tells_of_such_a_url_before_an_engine_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(tmp_path)
    monkeypatch.setenv("TG_TOKEN", "canary-no-token")

    assert run_command(["check", "-c", str(tmp_path / "copytrader.toml")]) == 78

    assert "notify.urls[0]: apprise does not take the url of tgram" in capsys.readouterr().err


def test_without_urls_apprise_is_not_even_loaded(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, supervision.run; print('apprise' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


# From the bus to the services, in real time: what virtual time cannot see


async def until_channel(house: AlertsHouse, *, delivered: int = 0, failures: int = 0) -> ChannelStatus:
    """Wait until the first channel has so many of each; the service knows a moment before we do."""
    with trio.fail_after(8):
        while True:
            told = (await house.status()).channels[0]
            if (told.delivered, told.failures) == (delivered, failures):
                return told
            await trio.sleep(0.01)


async def test_an_event_reaches_telegram_by_a_retry_after_502(
    services: Services, make_house: MakeHouse
) -> None:
    services.telegram[:] = [BAD_GATEWAY, TELEGRAM_OK]
    house = make_house(telegram(), twilio())
    async with house.process():
        house.bus.publish(quarantined())
        await until_channel(house, delivered=1)

    assert "alice is quarantined" in services.messages[0]["text"]
    assert services.requests == [f"/bot{TOKEN}/sendMessage"] * 2
    assert services.sms == []


async def test_telegrams_401_brings_the_sms_and_is_seen(services: Services, make_house: MakeHouse) -> None:
    services.telegram[:] = [TELEGRAM_UNAUTHORIZED]
    house = make_house(telegram(), twilio())
    async with house.process():
        house.bus.publish(quarantined())
        told = await until_channel(house, failures=1)
        with trio.fail_after(8):
            while not services.sms:
                await trio.sleep(0.01)

    assert "Unauthorized" in told.error
    assert services.sms[0]["Body"].startswith("CRITICAL alice is quarantined. Ack: ")
