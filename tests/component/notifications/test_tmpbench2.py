from shared.messaging.message import Message
from uuid import uuid4
from datetime import datetime, UTC
def msg(e): return Message(uuid4(), e, e.topic, 0, 0, datetime.now(UTC), "00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
