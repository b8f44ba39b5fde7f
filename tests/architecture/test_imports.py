"""Commands that no test runs begin at least: every module can be imported."""

import importlib
import pkgutil

import pytest

import deploy
import services
import shared
import tests

MODULES = sorted(
    module.name
    for package in (deploy, services, shared, tests)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    # Importing a command or an app of the baseline starts it.
    if not module.name.endswith(".__main__") and not module.name.startswith("tests.bench.baseline.")
)


@pytest.mark.parametrize("package", sorted({name.rpartition(".")[0] for name in MODULES}))
def test_every_module_can_be_imported(package: str) -> None:
    for name in MODULES:
        if name.rpartition(".")[0] == package:
            importlib.import_module(name)
