"""`dead-letters`: what could not be handled is looked at, mended, replayed or discarded, and who did so is kept."""

from shared.runtime.dead_letters.actions import replay_one
from shared.runtime.dead_letters.commands import create_commands

__all__ = ["create_commands", "replay_one"]
