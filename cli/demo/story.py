"""The demonstration's quarter from its first day to what business systems measure in it.

Everything is told as if it happened on the days of the quarter, and recorded now: the ledger never says that it
knew something before it did. So progress has the day on which it was true, and adjustments count from today on.
"""

from __future__ import annotations

from datetime import date, timedelta

from cli.demo import cases
from cli.demo.narrator import ADMIN, LENGTH, TIME_ZONE, Narrator, Teller, id_of

PASSED = timedelta(days=56)
"""How much of the quarter has passed when it is first told."""

QUARTER = id_of("quarter")
NEXT_QUARTER = id_of("next quarter")
"""Opened last: where it is, the story has been told to its end."""
COMPUTING_POWER = id_of("computing power")
REVENUE = id_of("revenue")
DEPLOYMENT_FREQUENCY = id_of("deployment frequency")
CHANGE_FAILURE_RATE = id_of("change failure rate")
FED = (REVENUE, DEPLOYMENT_FREQUENCY, CHANGE_FAILURE_RATE)
"""The key results that feeds measure."""


def tell(teller: Teller, starts_on: date) -> None:
    """Tell all of it. `starts_on` is the quarter's first day."""
    by = Narrator(teller, starts_on)
    people_and_time(by)
    cases.chips(by)
    cases.batteries(by)
    cases.daily_users(by)
    cases.double_eleven(by)
    delivery(by)
    next_quarter(by)


def people_and_time(by: Narrator) -> None:
    by.say(
        ADMIN,
        "/cycles",
        {
            "id": QUARTER,
            "name": f"示例季度 · Demonstration quarter from {by.starts_on}",
            "starts_on": by.starts_on.isoformat(),
            "ends_on": by.ends_on.isoformat(),
            "time_zone": TIME_ZONE,
        },
    )
    by.say(ADMIN, f"/cycles/{QUARTER}/start", {"reason": "All companies have agreed their goals"})
    by.team("chip company", "智芯 · AI-chip company", "u-chip-ceo")
    by.team("research", "研发部 · Research", "u-chip-rd", "chip company")
    by.team("battery maker", "电池制造 · Battery manufacturer", "u-bat-coo")
    by.team("start-up", "出海互联网 · Internet start-up", "u-net-ceo")
    by.team("shop", "电商团队 · E-commerce team", "u-shop-lead", "start-up")
    by.team("sales", "销售部 · Sales", "u-sales-lead", "chip company")
    by.team("platform", "平台工程 · Platform engineering", "u-plat-lead", "start-up")


def delivery(by: Narrator) -> None:
    """What nobody types in: business systems write these numbers."""
    sales, platform = "u-sales-lead", "u-plat-lead"
    by.objective(
        "deals", "拿下智能车企新签 · Win smart-car makers", sales, "department", "sales", supports=["global share"]
    )
    by.key_result(
        "deals",
        "revenue",
        "新签收入 800 万 · Revenue of won deals 8 million",
        sales,
        direction="increase",
        baseline="0",
        target="8000000",
        unit="CNY",
    )
    by.commit("deals", sales)
    by.objective(
        "shipping",
        "更快更稳地交付 · Ship faster and safer",
        platform,
        "department",
        "platform",
        supports=["daily users"],
    )
    by.key_result(
        "shipping",
        "deployment frequency",
        "部署频率每周 10 次 · 10 deployments a week",
        platform,
        direction="increase",
        baseline="4",
        target="10",
        unit="per week",
    )
    by.key_result(
        "shipping",
        "change failure rate",
        "变更失败率不高于 15% · Change failure rate at most 15 %",
        "u-plat-sre",
        direction="at_most",
        target="15",
        unit="%",
    )
    by.commit("shipping", platform)
    engineer = "u-plat-dev-7"
    by.objective(
        "tracing", "看得见每次故障 · See every fault", engineer, "individual", "platform", supports=["shipping"]
    )
    by.key_result(
        "tracing",
        "traced services",
        "12 个服务接入链路追踪 · 12 services with tracing",
        engineer,
        direction="increase",
        target="12",
        unit="services",
    )
    by.commit("tracing", engineer)
    by.progress("traced services", engineer, 40, "5")
    for name in ("revenue", "deployment-frequency", "change-failure-rate"):
        by.teller.feed(name)


def next_quarter(by: Narrator) -> None:
    by.say(
        ADMIN,
        "/cycles",
        {
            "id": NEXT_QUARTER,
            "name": f"下一季度 · The quarter after, from {by.ends_on + timedelta(days=1)}",
            "starts_on": (by.ends_on + timedelta(days=1)).isoformat(),
            "ends_on": (by.ends_on + timedelta(days=1) + LENGTH).isoformat(),
            "time_zone": TIME_ZONE,
        },
        step="next quarter",
    )
