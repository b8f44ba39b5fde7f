"""python -m services.notifications run|migrate|dead-letters|openapi"""

from services.notifications.app import build
from services.notifications.settings import Settings
from shared.runtime.cli import main

if __name__ == "__main__":
    main("notifications", Settings, build)
