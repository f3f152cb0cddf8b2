"""Typed settings with their origin: flag > environment > .env > project file > user file > default.

The project file is the `settings:` mapping of models.yaml; the user file is `$XDG_CONFIG_HOME/datactl/config.yaml`.
A profile (`profiles: {prod: {...}}` in either) stands right behind the place that named it. A secret may also come
from a file (`NAME_file`) or a command (`NAME_command`) at any of those places.
"""

from __future__ import annotations

from datactl.settings.loading import STATE_DIR, Settings, ShownSetting
from datactl.settings.masking import Secret, mask_uri
from datactl.settings.table import (
    DEFAULT_VAULT,
    KEYS,
    SETTINGS,
    Kind,
    Origin,
    Setting,
    source_names,
    variables,
)
from datactl.settings.values import EVENT_KEY_BYTES

__all__ = [
    "DEFAULT_VAULT",
    "EVENT_KEY_BYTES",
    "KEYS",
    "SETTINGS",
    "STATE_DIR",
    "Kind",
    "Origin",
    "Secret",
    "Setting",
    "Settings",
    "ShownSetting",
    "mask_uri",
    "source_names",
    "variables",
]
