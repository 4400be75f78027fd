"""The demonstration: a quarter of four companies' goals, told through the API, and the messages of their systems.

`story` says what people did, `loader` tells it to the API so that nothing happens twice, `messages` makes what the
business systems sent, `play` puts it into the trial broker. The feeds are the YAML files beside this.
"""
