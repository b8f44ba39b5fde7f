"""`python -m services.orders run|migrate|import|dead-letters|...`"""

from services.orders.app import build
from services.orders.importing.command import app as importing
from services.orders.settings import Settings
from shared.runtime.cli import main

if __name__ == "__main__":
    main("orders", Settings, build, extra=importing)
