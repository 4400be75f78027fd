"""What an address may say after its question mark: moments, pages, filters. Nothing else, and nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import marshmallow as ma
from flask import Request

from api.faults import faults
from api.fields import MOST_POSITION, Count, MomentInAddress, OpaqueId, Words
from api.problems import Problem

USUAL_ITEMS = 50
MOST_ITEMS = 200
LONGEST_FILTER = 300


class Parameters(ma.Schema):
    """The query parameters of one route."""

    class Meta:
        unknown = ma.RAISE

    def read(self, request: Request) -> dict[str, Any]:
        """The parameters that the request gives. A Problem 400 that names each that is wrong."""
        if not request.query_string and self._usual is not None:
            return dict(self._usual)
        problem = Problem(400, "bad-parameters", "The address asks for something that cannot be", "")
        given: dict[str, str] = {}
        for name, values in request.args.lists():
            if len(values) > 1:
                problem.add(name, "given_twice", f"{name} is given more than once")
            given[name] = values[0]
        try:
            read: dict[str, Any] = self.load(given)
        except ma.ValidationError as error:
            for fault in faults(error.messages):
                problem.add(*fault)
        if problem.errors:
            problem.detail = "; ".join(f"{each['field']}: {each['message']}" for each in problem.errors)
            raise problem
        return read

    @cached_property
    def _usual(self) -> dict[str, Any] | None:
        """What an address without parameters asks for; None where it has to name something."""
        if any(field.required for field in self.fields.values()):
            return None
        usual: dict[str, Any] = self.load({})
        return usual


class AtMoment(Parameters):
    """The state at which moment: now, where neither as_of nor as_of_position says otherwise."""

    as_of = MomentInAddress(metadata={"description": "the facts that were known at that moment"})
    as_of_position = Count(
        least=1, most=MOST_POSITION, metadata={"description": "the facts up to that position of the ledger"}
    )
    effective_at = MomentInAddress(
        metadata={"description": "what was true in the business at that moment, as far as was known"}
    )


class OnePage(Parameters):
    """One page of a list that knows only now."""

    cursor = Words(longest=LONGEST_FILTER, metadata={"description": "the `next` of the page before"})
    limit = Count(
        least=1, most=MOST_ITEMS, load_default=USUAL_ITEMS, metadata={"description": "the most items of a page"}
    )


class PageAtMoment(AtMoment, OnePage):
    """One page of a list."""


MOMENT_NAMES = tuple(AtMoment().fields)
PAGE_NAMES = tuple(PageAtMoment().fields)


def besides_moment(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for besides the moment."""
    return {name: value for name, value in asked.items() if name not in MOMENT_NAMES}


def filters_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for besides the moment and the page."""
    return {name: value for name, value in asked.items() if name not in PAGE_NAMES}


class History(PageAtMoment):
    """One page of the facts about something."""

    type = Words(longest=LONGEST_FILTER, metadata={"description": "only facts of this type"})
    actor = OpaqueId(metadata={"description": "only what this actor did"})
    from_ = MomentInAddress(data_key="from", metadata={"description": "recorded at or after this moment"})
    to = MomentInAddress(metadata={"description": "recorded at or before this moment"})
