"""`alertmanager`: groups of alerts, as Prometheus Alertmanager's webhook receiver gets them. Each alert is an event.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config, payload version 4. Paths read the
alert's `status`, `labels`, `annotations`, `startsAt`, `endsAt`, `generatorURL` and `fingerprint`, and the `group`
without its alerts.

Traps:
- The same alert is told again while it fires (repeat_interval), with the same fingerprint and start; when it fires
  again later the start is another. Without `entity` an episode is the entity: fingerprint and start.
- endsAt is 0001-01-01 while it is open, and of some resolved alerts too: it reads null then. So
  `hours(startsAt, endsAt)` is null for what is open; take it with `filter: "status == 'resolved'"`.
- Some alerts have no status of their own: it is told from their end and from the group's.
- group.status is firing as long as one of its alerts is. group.truncatedAlerts counts those that max_alerts cut off.
- Times have nine decimals and any offset.

    {"version": "4", "status": "firing", "groupKey": "{}:{}", "receiver": "okr", "alerts": [
      {"status": "firing", "labels": {"alertname": "Down", "service": "shop"}, "fingerprint": "a1bc48475b20e73d",
       "startsAt": "2025-03-31T15:12:00.432911368Z", "endsAt": "0001-01-01T00:00:00Z"}]}
"""

from typing import Any

from domain.feeds.formats.parts import moment, read_object, required_object, required_text, tombstone
from domain.feeds.message import Decoded, Format, Message, Undecodable
from domain.feeds.times import nanoseconds, written
from domain.feeds.values import kind

_MEMBERS = ("status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint")
_STATES = ("firing", "resolved")
_FNV_OFFSET, _FNV_PRIME = 14695981039346656037, 1099511628211


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [tombstone(message)]
    body = read_object(message.value)
    alerts = body.pop("alerts", None)
    if not isinstance(alerts, list):
        raise Undecodable(f"alerts is {kind(alerts)}, not a list: no webhook of Alertmanager")
    if (version := body.get("version")) not in (None, "4", 4):
        raise Undecodable(f"version is {str(version)[:20]}, not 4")
    return [_alert(alert, body, f"alerts[{index}].") for index, alert in enumerate(alerts)]


def _alert(alert: Any, group: dict[str, Any], of: str) -> Decoded:
    if not isinstance(alert, dict):
        raise Undecodable(f"{of.removesuffix('.')} is {kind(alert)}, not an alert")
    labels = required_object(alert, "labels", of)
    started, ended = (_moment(alert, name, of) for name in ("startsAt", "endsAt"))
    if started is None:
        raise Undecodable(f"{of}startsAt is missing, or no time")
    status = alert.get("status")
    if status is None:
        status = "resolved" if ended is not None or group.get("status") == "resolved" else "firing"
    if status not in _STATES:
        raise Undecodable(f"{of}status is {str(status)[:20]}, neither firing nor resolved")
    fingerprint = alert.get("fingerprint") or _fingerprint(labels, of)
    if not isinstance(fingerprint, str):
        raise Undecodable(f"{of}fingerprint is {kind(fingerprint)}, not a text")
    fields = {name: alert.get(name) for name in _MEMBERS}
    fields |= {"status": status, "fingerprint": fingerprint, "group": group, "startsAt": started, "endsAt": ended}
    when = started if status == "firing" else ended
    return Decoded(fields=fields, entity=f"{fingerprint} {started}", time=moment(when, of))


def _moment(alert: dict[str, Any], name: str, of: str) -> str | None:
    """The time in UTC with nine decimals; None where there is none, or the zero that stands for none."""
    if alert.get(name) is None:
        return None
    text = required_text(alert, name, of)
    return None if moment(text, f"{of}{name}") is None else written(nanoseconds(text))


def _fingerprint(labels: dict[str, Any], of: str) -> str:
    """What Alertmanager itself would write: FNV-1a over the sorted labels."""
    digest = _FNV_OFFSET
    for name in sorted(labels, key=str.encode):
        for text in (name, required_text(labels, name, f"{of}labels.") if labels[name] != "" else ""):
            for byte in (*text.encode(), 0xFF):
                digest = (digest ^ byte) * _FNV_PRIME % 2**64
    return f"{digest:016x}"


FORMAT = Format(
    "alertmanager",
    "groups of alerts of Prometheus Alertmanager, alert by alert",
    decode,
    frozenset({*_MEMBERS, "group"}),
    specification="https://prometheus.io/docs/alerting/latest/configuration/#webhook_config",
    entity="one episode of the alert: its fingerprint and start",
    guide=__doc__,
)
