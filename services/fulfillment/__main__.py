"""`python -m services.fulfillment run|migrate|dead-letters|...`"""

from services.fulfillment.app import build
from services.fulfillment.settings import Settings
from shared.runtime.cli import main

if __name__ == "__main__":
    main("fulfillment", Settings, build)
