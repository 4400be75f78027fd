"""`jira`: webhooks of Jira about issues, sprints and versions; of Cloud and of Data Center.

Source: https://developer.atlassian.com/cloud/jira/platform/webhooks/ and, for Data Center,
https://developer.atlassian.com/server/jira/platform/webhooks/. Others, such as comments, are ignored. Paths read the
payload as Jira documents it: `webhookEvent`, `issue.fields.status.name`, `changelog`, `sprint`, `version`.

Traps:
- An issue's key changes when it moves to another project, its id never: without `entity` the id is the entity.
- Names of states are the site's own and may be translated: compare issue.fields.status.statusCategory.key, which is
  new, indeterminate or done. Fields of one's own are customfield_10105 and the like.
- Times are 2019-08-13T07:23:01.993+0800, without a colon; `timestamp` is milliseconds. There is no counter: put
  `order: [timestamp]`.
- A comment's webhook carries an abridged issue: taken for an issue, it would clear fields.
- A deleted issue retracts by itself: of its fields only id and key are certain then, so a filter on others does not
  keep it out. An issue that is moved out of sight sends nothing.

    {"timestamp": 1743433920025, "webhookEvent": "jira:issue_updated", "issue_event_type_name": "issue_resolved",
     "issue": {"id": "10300", "key": "TES-4", "fields": {"status": {"name": "Done"}, "project": {"key": "TES"}}}}
"""

from domain.feeds.formats.parts import moment, read_object, required_id, required_object, required_text, tombstone
from domain.feeds.message import Decoded, Format, Message
from domain.feeds.values import KeyOnly

_SUBJECTS = {"jira:issue_": "issue", "sprint_": "sprint", "jira:version_": "version"}


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [tombstone(message)]
    body = read_object(message.value)
    event = required_text(body, "webhookEvent", "")
    about = next((subject for prefix, subject in _SUBJECTS.items() if event.startswith(prefix)), None)
    if about is None:
        return [Decoded(ignored=f"a {event[:40]} event: read are those of issues, sprints and versions")]
    subject = required_object(body, about)
    entity = f"{about} {required_id(subject, 'id', f'{about}.')}"
    time = moment(body.get("timestamp"), "timestamp", "ms")
    if not event.endswith("_deleted"):
        return [Decoded(fields=body, entity=entity, time=time)]
    certain = KeyOnly({name: subject[name] for name in ("id", "key", "self") if name in subject})
    known = KeyOnly({about: certain, "timestamp": body.get("timestamp")})
    return [Decoded(fields=body, entity=entity, time=time, is_deletion=True, known=known)]


FORMAT = Format(
    "jira",
    "webhooks of Jira: issues, sprints, versions",
    decode,
    specification="https://developer.atlassian.com/cloud/jira/platform/webhooks/",
    entity="the issue, sprint or version by its id, such as `issue 10300`",
    guide=__doc__,
)
