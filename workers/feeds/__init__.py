"""Feeds: messages of business systems become progress, each exactly once, whatever fails in between.

The way of a message: `session` polls it, `reading` asks the domain what it does under each feed, `hand` keeps that
while the batch before it is written, and `batch` writes it in one transaction: `contributions` and `merging` (what
each entity adds), `totals` and `tallies` (what they make), `measuring` (whether that is a fact), `facts` (what it
tells), `dead_letters` and `offsets`. `catalogue` knows the feeds, `placing` from where they read,
`lives` which life of a topic that is; `timekeeper` writes what time alone changes.
"""
