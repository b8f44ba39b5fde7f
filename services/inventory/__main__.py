"""`python -m services.inventory run|migrate|audit|import|dead-letters|...`"""

from services.inventory.app import build
from services.inventory.settings import Settings
from services.inventory.tools import create_tools
from shared.runtime.cli import main

if __name__ == "__main__":
    main("inventory", Settings, build, extra=create_tools(build))
