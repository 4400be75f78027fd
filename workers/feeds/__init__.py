"""Feeds: messages of business systems become progress, each exactly once, whatever fails in between.

The way of a message: `worker` polls it, `reading` asks the domain what it does under each feed, `batch` writes that
in one transaction: `contributions` (what each entity adds), `totals` and `tallies` (what they make), `measuring`
(whether that is a fact), `dead_letters` and `offsets`. `catalogue` knows the feeds, `placing` from where they read,
`lives` which life of a topic that is; `timekeeper` writes what time alone changes.
"""
