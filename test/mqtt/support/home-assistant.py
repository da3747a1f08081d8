"""What an installed Home Assistant makes of a device discovery payload.

Takes JSON on standard input: `discovery`, the payload, and `messages`, one for each topic. Prints JSON: Home Assistant's
version, the options of each component that it would pass over, and what it would show of the messages. A payload that
it refuses ends in an error.
"""

import json
import sys
from importlib import import_module
from unittest.mock import MagicMock

from homeassistant.components.mqtt.abbreviations import ABBREVIATIONS, DEVICE_ABBREVIATIONS
from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA
from homeassistant.const import __version__
from homeassistant.core import _hass
from homeassistant.helpers.template import TemplateEnvironment

# What looks at templates wants to know that this is Home Assistant's own thread.
_hass.hass = MagicMock()

given = json.load(sys.stdin)
payload = given["discovery"]
DEVICE_DISCOVERY_SCHEMA(payload)
shared = {key: payload[key] for key in ("device", "origin", "availability_topic")}
templates = TemplateEnvironment(None)
passed_over = {}
shown = {}
for name, component in payload["components"].items():
    if len(component) == 1:
        continue  # The platform alone: to be removed.
    platform = import_module(f"homeassistant.components.mqtt.{component['platform']}")
    taken = platform.DISCOVERY_SCHEMA({**shared, **component})
    passed_over[name] = sorted(set(component) - set(taken) - {"platform"})
    message = given["messages"].get(component.get("state_topic"))
    if message is not None and "value_template" in component:
        shown[name] = templates.from_string(component["value_template"]).render(value_json=message)
# A full name that were an abbreviation of another would be replaced.
taken_for_others = [
    key
    for part, table in ((payload, ABBREVIATIONS), (payload["device"], DEVICE_ABBREVIATIONS))
    for key in part
    if table.get(key, key) != key
]
print(
    json.dumps(
        {
            "version": __version__,
            "passedOver": passed_over,
            "takenForOthers": taken_for_others,
            "shown": shown,
        }
    )
)
