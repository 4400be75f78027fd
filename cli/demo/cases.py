"""Four companies and what happened to their goals: cases of the practice guide, in two languages."""

from __future__ import annotations

from cli.demo.narrator import Narrator, id_of


def chips(by: Narrator) -> None:
    """Long research against fast expansion: weights move, and a target turns out too high."""
    ceo, research, market, sales = "u-chip-ceo", "u-chip-rd", "u-chip-market", "u-sales-lead"
    by.objective(
        "global share",
        "全球市场份额做到 15% · Global market share to 15 %",
        ceo,
        "company",
        "chip company",
        description="三代芯片、海外服务和头部车企三线并进。Research, service and partners at the same time.",
    )
    by.key_result(
        "global share",
        "computing power",
        "三代芯片迭代，算力 +40% · Three chip iterations, computing power +40 %",
        research,
        direction="increase",
        baseline="0",
        target="40",
        unit="%",
        weight="50",
    )
    by.key_result(
        "global share",
        "response time",
        "海外服务响应时间降到 4 小时 · Response time of overseas service down to 4 hours",
        market,
        direction="decrease",
        baseline="12",
        target="4",
        unit="hours",
        weight="20",
    )
    by.key_result(
        "global share",
        "partners",
        "与 10 家头部智能车企合作 · Partnerships with 10 leading smart-car makers",
        sales,
        direction="increase",
        baseline="0",
        target="10",
        unit="partners",
        weight="30",
    )
    cities = ("慕尼黑 Munich", "新加坡 Singapore", "圣保罗 São Paulo", "迪拜 Dubai", "底特律 Detroit")
    by.key_result(
        "global share",
        "service centres",
        "五个海外服务中心 · Five overseas service centres",
        market,
        direction="milestones",
        milestones=[{"name": city, "weight": "1"} for city in cities],
    )
    by.commit("global share", ceo)
    by.progress("computing power", research, 12, "6", "首版流片 · first tape-out")
    by.progress("computing power", research, 27, "11")
    by.progress("computing power", research, 41, "19", "第二代点亮 · second chip runs")
    for day, value in ((10, "11.2"), (24, "9.5"), (38, "7.4"), (52, "6.1")):
        by.progress("response time", market, day, value)
    for number, day in ((1, 15), (2, 33), (3, 50)):
        by.say(
            market,
            f"/key-results/{id_of('service centres')}/milestones/{number}/reached",
            {"effective_at": by.on(day)},
        )
    by.progress("partners", sales, 18, "2")
    mistake = by.progress("partners", sales, 46, "14", "销售周报 · weekly report")
    by.say(
        sales,
        f"/key-results/{id_of('partners')}/corrections",
        {
            "corrects": mistake,
            "value": "4",
            "reason": "多打了一位：是 4 家不是 14 家 · A digit too many: 4 partners, not 14",
            "reason_code": "data_error",
        },
    )
    by.check_in(
        "computing power",
        research,
        "第二代芯片点亮 · The second chip runs",
        3,
        "at_risk",
        problem="代工厂排期推迟六周 · The foundry is six weeks late",
        support_needed="需要第二家代工厂 · A second foundry",
    )
    by.say(
        ceo,
        f"/key-results/{id_of('computing power')}/target-adjustments",
        {
            "target": "30",
            "reason": "代工厂推迟六周，第三代本季度只能完成一半 · The foundry is six weeks late: half of the third "
            "iteration is what this quarter can hold",
            "reason_code": "dependency",
        },
    )
    for name, weight in (("computing power", "40"), ("partners", "40")):
        by.say(
            ceo,
            f"/key-results/{id_of(name)}/weight-adjustments",
            {
                "weight": weight,
                "reason": "研发周期长，市场扩张提前 · Research takes longer, so expansion comes first",
                "reason_code": "market_change",
            },
            step=f"weight of {name}",
        )
    by.progress("computing power", research, 54, "22", "第三代设计冻结 · third design frozen")
    by.check_in("computing power", research, "目标调整后按计划 · On plan for the new target", 7, "on_track")


def batteries(by: Narrator) -> None:
    """A share to raise, a limit to hold, a lead time to cut."""
    owner, line, upkeep, supply = "u-bat-coo", "u-bat-line", "u-bat-upkeep", "u-bat-supply"
    by.objective("factory", "全面数字化工厂 · A fully digital factory", owner, "company", "battery maker")
    by.key_result(
        "factory",
        "automation",
        "产线自动化率 65% → 90% · Line automation 65 % to 90 %",
        line,
        direction="increase",
        baseline="65",
        target="90",
        unit="%",
        weight="40",
    )
    by.key_result(
        "factory",
        "failure rate",
        "设备故障率不高于 0.3% · Equipment failure rate at most 0.3 %",
        upkeep,
        direction="at_most",
        target="0.3",
        unit="%",
        weight="30",
    )
    by.key_result(
        "factory",
        "lead time",
        "交付周期缩短 20% · Delivery lead time -20 %",
        supply,
        direction="decrease",
        baseline="25",
        target="20",
        unit="days",
        weight="30",
    )
    by.commit("factory", owner)
    for day, value in ((13, "69"), (28, "74"), (42, "78.5"), (55, "83")):
        by.progress("automation", line, day, value)
    for day, value in ((14, "0.42"), (28, "0.31"), (42, "0.27"), (55, "0.26")):
        by.progress("failure rate", upkeep, day, value)
    for day, value in ((20, "24.5"), (48, "23.8")):
        by.progress("lead time", supply, day, value)
    by.check_in(
        "lead time",
        supply,
        "两家供应商切换中 · Two suppliers are being changed",
        4,
        "behind",
        problem="海运舱位紧张 · Sea freight is scarce",
    )


def daily_users(by: Narrator) -> None:
    """A long way to go, and a new owner on the way."""
    ceo, content, creators, growth = "u-net-ceo", "u-net-content", "u-net-creators", "u-net-growth"
    by.objective("daily users", "日活一百万 · 1,000,000 daily active users", ceo, "company", "start-up")
    by.key_result(
        "daily users",
        "releases",
        "20 个 3A 级内容 · 20 AAA content releases",
        content,
        direction="increase",
        baseline="0",
        target="20",
        unit="releases",
    )
    by.key_result(
        "daily users",
        "creators",
        "500 个创作者团队入驻 · 500 creator teams on board",
        creators,
        direction="increase",
        baseline="120",
        target="500",
        unit="teams",
    )
    by.key_result(
        "daily users",
        "growth tests",
        "三轮海外增长测试 · Three overseas growth tests",
        growth,
        direction="milestones",
        milestones=[{"name": f"第 {n} 轮 · Round {n}", "weight": "1"} for n in (1, 2, 3)],
    )
    by.commit("daily users", ceo)
    for day, value in ((14, "4"), (28, "9"), (42, "13"), (53, "15")):
        by.progress("releases", content, day, value)
    for day, value in ((21, "190"), (49, "275")):
        by.progress("creators", creators, day, value)
    by.say(growth, f"/key-results/{id_of('growth tests')}/milestones/1/reached", {"effective_at": by.on(29)})
    by.say(
        ceo,
        f"/key-results/{id_of('creators')}/owner-changes",
        {
            "owner_id": "u-net-ops",
            "reason": "创作者运营并入运营部 · Creator operations move to operations",
            "reason_code": "resources",
        },
    )


def double_eleven(by: Narrator) -> None:
    """The market turned: a promise is replaced, and its history stays beside the successor's."""
    lead = "u-shop-lead"
    by.objective(
        "festival",
        "打赢大促，留住用户 · Win the season, keep the users",
        lead,
        "department",
        "shop",
        supports=["daily users"],
    )
    by.key_result(
        "festival",
        "gmv",
        "双 11 GMV +50% · Double 11 GMV +50 %",
        lead,
        direction="increase",
        baseline="0",
        target="50",
        unit="%",
    )
    by.key_result(
        "festival",
        "satisfaction",
        "客服满意度不低于 95% · Satisfaction at least 95 % (guard)",
        "u-shop-service",
        direction="at_least",
        target="95",
        unit="%",
    )
    by.commit("festival", lead)
    by.progress("gmv", lead, 16, "4")
    by.progress("gmv", lead, 30, "7", "流量成本翻倍 · traffic costs twice as much")
    for day, value in ((16, "95.6"), (30, "96.1"), (51, "95.2")):
        by.progress("satisfaction", "u-shop-service", day, value)
    by.say(
        lead,
        f"/key-results/{id_of('gmv')}/replacements",
        {
            "id": id_of("repurchase"),
            "title": "核心用户复购率 +30% · Repurchase rate of core users +30 %",
            "owner_id": lead,
            "direction": "increase",
            "baseline": "0",
            "target": "30",
            "unit": "%",
            "deadline": by.ends_on.isoformat(),
            "reason": "竞争加剧、流量成本上升，转为留住核心用户 · Competition and the price of traffic have risen: "
            "keep the core users instead of chasing volume",
            "reason_code": "market_change",
        },
    )
    by.say(lead, f"/key-results/{id_of('repurchase')}/commit", {})
    for day, value in ((44, "8"), (55, "13")):
        by.progress("repurchase", lead, day, value)
    by.check_in("repurchase", lead, "会员日带动复购 · Members' day helps", 8, "on_track")
