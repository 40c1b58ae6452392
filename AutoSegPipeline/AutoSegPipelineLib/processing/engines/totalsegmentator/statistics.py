"""The package's usage statistics: off, unless the setting says otherwise.

Off, the package writes no configuration, counts no prediction and sends nothing. On, its own
functions run, as in its own program; a configuration that says no is overruled, not changed.
"""

from __future__ import annotations

import os
from typing import Any

SWITCH = "AUTOSEG_TOTALSEGMENTATOR_STATISTICS"


def wanted() -> bool:
    """What the setting says, from the environment of this worker."""
    return os.environ.get(SWITCH, "").casefold() in ("1", "true", "yes", "on")


def replacements(python_api: Any) -> list[tuple[object, str, object]]:
    """What takes the place of the package's own functions while it runs a case."""
    if wanted():
        own = python_api.send_usage_stats

        def send(config: Any, *more: Any) -> object:
            return own({**(config or {}), "send_usage_stats": True}, *more)

        return [(python_api, "send_usage_stats", send)]
    instead = {
        "send_usage_stats": _nothing,
        "increase_prediction_counter": _nothing,  # it writes the user's configuration, unlocked
        "setup_totalseg": _nothing,  # it makes one that says that statistics may be sent
        "set_config_key": _nothing,
        "get_config_key": _shown(getattr(python_api, "get_config_key", _nothing)),
    }
    return [(python_api, name, value) for name, value in instead.items() if hasattr(python_api, name)]


def _nothing(*_: object, **__: object) -> None:
    return


def _shown(own: Any) -> object:
    """The notice that statistics are sent would be wrong, and it is noted in the configuration."""

    def get_config_key(name: str) -> object:
        return True if name == "statistics_disclaimer_shown" else own(name)

    return get_config_key
