"""One driver an API: the same few verbs, each worded as that API's document words it."""

from harness.drivers.base import Driver, Live, Post
from harness.drivers.chatrooms import Chatrooms
from harness.drivers.conversations import Conversations
from harness.drivers.convo import Convo
from harness.drivers.guest import Guest
from harness.drivers.platform import Platform

DRIVERS: dict[str, type[Driver]] = {driver.api: driver for driver in (Platform, Guest, Convo, Conversations, Chatrooms)}
APIS = list(DRIVERS)

__all__ = ["APIS", "DRIVERS", "Chatrooms", "Conversations", "Convo", "Driver", "Guest", "Live", "Platform", "Post"]
