"""Senders that tell only what changed, or that they lost it: what that does to a feed."""

from typing import Any

import pytest

from domain.feeds.contribution import Contribution, Dead, Ignored, Standing, merged
from domain.feeds.message import Message
from domain.feeds.pipeline import CompiledFeed, Outcome, read_message
from tests.domain.feeds.test_pipeline import feed, message

WON = feed(
    "salesforce_cdc",
    filter="entityName == 'Opportunity'",
    order=["header.commitNumber", "header.sequenceNumber"],
    retract_when="row.StageName != 'Closed Won'",
    value={"expr": "row.Amount"},
)
AMOUNTS = feed("salesforce_cdc", order=["header.commitNumber"], value={"expr": "row.Amount"})
WON_DEALS = feed(
    "hubspot",
    filter="objectType == 'deal' and propertyName == 'dealstage'",
    order=["occurredAt"],
    retract_when="propertyValue != 'closedwon'",
)


def record(
    change: str, number: int, *, ids: tuple[str, ...] = ("006A",), of: str = "Opportunity", **row: Any
) -> Message:
    header = {
        "entityName": of, "recordIds": list(ids), "changeType": change, "commitTimestamp": 1_743_433_920_000,
        "commitNumber": 2**60 + number, "sequenceNumber": 1,
    }  # fmt: skip
    return message(
        {"schema": "IeRuaY6c", "payload": {"ChangeEventHeader": header, **row}, "event": {"replayId": number}}
    )


def notification(what: str, at: int, **more: Any) -> Message:
    return message({"subscriptionType": f"deal.{what}", "objectId": 7, "occurredAt": 1_743_433_920_000 + at, **more})


def one(compiled: CompiledFeed, given: Message) -> Outcome:
    (outcome,) = read_message(compiled, given)
    return outcome


def standing(compiled: CompiledFeed, *given: Message) -> Contribution | None:
    known = Standing()
    for each in given:
        for outcome in read_message(compiled, each):
            if not isinstance(outcome, Ignored):
                known = merged(known, outcome)
    return known.contribution


def value(compiled: CompiledFeed, *given: Message) -> Any:
    contribution = standing(compiled, *given)
    assert contribution is not None
    return contribution.value


def test_an_update_of_what_the_feed_does_not_read_leaves_the_value() -> None:
    created = record("CREATE", 1, StageName="Closed Won", Amount=40000)
    assert one(WON, record("UPDATE", 2, NextStep="call")) == Ignored(
        "row.StageName was not sent (column 1): what was known before still holds"
    )
    assert value(WON, created, record("UPDATE", 2, NextStep="call")) == 40000


def test_an_update_of_the_value_alone_replaces_it_where_nothing_else_decides() -> None:
    assert value(AMOUNTS, record("CREATE", 1, Amount=40000), record("UPDATE", 2, Amount=50000)) == 50000


def test_an_update_that_says_that_it_is_lost_retracts_without_its_value() -> None:
    created = record("CREATE", 1, StageName="Closed Won", Amount=40000)
    lost = record("UPDATE", 2, StageName="Closed Lost")
    assert value(WON, created, lost) is None
    assert value(WON, lost, created) is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"StageName": "Closed Won"}, "row.Amount was not sent (column 1), but StageName changed"),
        ({"Amount": 50000}, "row.StageName was not sent (column 1), but Amount changed"),
    ],
)
def test_half_of_what_the_feed_reads_is_dead_and_says_what_is_missing(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(Dead, match="value: ") as refused:
        read_message(WON, record("UPDATE", 2, **changed))
    assert reason in refused.value.reason


def test_an_enriched_update_has_all_that_the_feed_reads() -> None:
    assert value(WON, record("UPDATE", 2, StageName="Closed Won", Amount=50000)) == 50000


def test_a_cleared_value_is_no_value() -> None:
    with pytest.raises(Dead, match=r"row\.Amount is null or missing"):
        read_message(AMOUNTS, record("UPDATE", 2, Amount=None))


def test_one_change_of_several_records_counts_for_each() -> None:
    outcomes = read_message(AMOUNTS, record("UPDATE", 2, ids=("006A", "006B"), Amount=5))
    found = [(each.entity, str(each.value)) for each in outcomes if isinstance(each, Contribution)]
    assert found == [("006A", "5"), ("006B", "5")]


def test_a_deleted_record_is_retracted_and_one_that_is_back_counts_again() -> None:
    created = record("CREATE", 1, StageName="Closed Won", Amount=40000)
    deleted, back = record("DELETE", 2), record("UNDELETE", 3, StageName="Closed Won", Amount=40000)
    assert value(WON, created, deleted) is None
    assert value(WON, deleted, created) is None
    assert value(WON, created, deleted, back) == 40000


@pytest.mark.parametrize("change", ["GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW"])
def test_a_gap_is_dead_so_that_somebody_sees_it(change: str) -> None:
    with pytest.raises(Dead, match=f"decode: a gap: {change}"):
        read_message(WON, record(change, 2))


def test_a_gap_that_the_filter_keeps_out_is_ignored() -> None:
    assert one(WON, record("GAP_UPDATE", 2, of="Account")) == Ignored("the filter is not met")


def test_a_filter_that_a_gap_cannot_answer_does_not_keep_it_out() -> None:
    for condition in ("row.StageName == 'Closed Won'", "changeType == 'UPDATE'", "header.changedFields == 5"):
        with pytest.raises(Dead, match="a gap"):
            read_message(feed("salesforce_cdc", filter=condition), record("GAP_UPDATE", 2))


def test_won_deals_are_counted_by_the_one_property_that_tells() -> None:
    won = notification("propertyChange", 1, propertyName="dealstage", propertyValue="closedwon")
    lost = notification("propertyChange", 2, propertyName="dealstage", propertyValue="closedlost")
    priced = notification("propertyChange", 3, propertyName="amount", propertyValue="2000")
    assert value(WON_DEALS, won, priced) == 1
    assert value(WON_DEALS, won, lost) is None
    assert value(WON_DEALS, lost, won) is None


def test_a_deletion_passes_the_filter_of_the_changes_that_it_ends() -> None:
    won = notification("propertyChange", 1, propertyName="dealstage", propertyValue="closedwon")
    deleted = notification("deletion", 2)
    contact = message({"subscriptionType": "contact.deletion", "objectId": 7, "occurredAt": 1_743_433_920_002})
    assert value(WON_DEALS, won, deleted) is None
    assert value(WON_DEALS, deleted, won) is None
    assert one(WON_DEALS, contact) == Ignored("the filter is not met")


def test_amounts_of_deals_are_texts_that_write_numbers() -> None:
    amounts = feed("hubspot", filter="objectType == 'deal'", order=["occurredAt"], value={"expr": "row.amount"})
    batch = [
        {"subscriptionType": "deal.creation", "objectId": 7, "occurredAt": 1_743_433_920_000},
        {"subscriptionType": "deal.propertyChange", "objectId": 7, "occurredAt": 1_743_433_920_001,
         "propertyName": "amount", "propertyValue": "2000.50"},
    ]  # fmt: skip
    outcomes = read_message(amounts, message(batch))
    assert isinstance(outcomes[0], Ignored)
    assert isinstance(outcomes[1], Contribution)
    assert str(outcomes[1].value) == "2000.5"
