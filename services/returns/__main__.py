"""`python -m services.returns run|migrate|dead-letters|openapi`"""

from services.returns.app import build
from services.returns.settings import Settings
from shared.runtime.cli import main

if __name__ == "__main__":
    main("returns", Settings, build)
